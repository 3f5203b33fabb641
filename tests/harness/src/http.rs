use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::Signal;

use crate::process::{Daemonised, wait_for_port};
use crate::scratch::{REMOTE, Scratch, free_port};

/// An nginx on [`REMOTE`].
pub struct Nginx {
    /// Its port.
    pub port: u16,
    _process: Daemonised,
}

impl Nginx {
    /// Starts one whose `server` block is `server`, besides `listen`.
    ///
    /// # Errors
    /// When it does not come up; its log is in `scratch`.
    pub fn start(scratch: &Scratch, server: &str) -> anyhow::Result<Self> {
        Self::start_with(scratch, |port| {
            format!(
                "http {{ access_log off; client_max_body_size 64m; default_type text/plain;\n\
                 server {{ listen {REMOTE}:{port}; {server} }} }}\n"
            )
        })
    }

    /// Starts one with `blocks(port)` as its configuration, besides the main block.
    ///
    /// # Errors
    /// When it does not come up; its log is in `scratch`.
    pub fn start_with(
        scratch: &Scratch,
        blocks: impl FnOnce(u16) -> String,
    ) -> anyhow::Result<Self> {
        let port = free_port(REMOTE)?;
        let directory = scratch.path().join(format!("nginx-{port}"));
        std::fs::create_dir_all(&directory)?;
        let modules = "/usr/share/nginx/modules-available";
        let stream = std::path::Path::new(modules).join("mod-stream.conf");
        let include = if stream.exists() {
            format!("include {};\n", stream.display())
        } else {
            String::new()
        };
        let place = directory.display();
        let text = format!(
            "{include}daemon off; worker_processes 1; pid {place}/pid; error_log {place}/error.log;\n\
             events {{ worker_connections 4096; }}\n{}",
            blocks(port).replace("http {", &format!("http {{ client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s; "))
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, text)?;
        let process = Daemonised::spawn(
            Command::new("nginx")
                .arg("-c")
                .arg(&file)
                .arg("-e")
                .arg(directory.join("error.log"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
            Signal::SIGTERM,
        )?;
        wait_for_port(REMOTE, port).with_context(|| {
            std::fs::read_to_string(directory.join("error.log")).unwrap_or_default()
        })?;
        Ok(Self {
            port,
            _process: process,
        })
    }
}
