//! The peers that Debian has, each in front of one server, tuned as the study found them best.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::Signal;
use nix::unistd::Uid;
use sluice_harness::{Daemonised, REMOTE, Scratch, free_port, wait_for_port};

use crate::machine;
use crate::proc::Watched;

/// Flows that a peer must take at once; fewer where the limit of open files is lower.
const FLOWS: u64 = 12_000;
/// Pipes that haproxy splices through; without a number it reserves one for every fourth flow.
const PIPES: u64 = 256;

/// Files of a peer beside those of flows, its pipes with them.
pub(crate) const OTHER_FILES: u64 = 1_000;

/// A running peer; it ends with its guard.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    process: Daemonised,
    _scratch: Scratch,
}

impl Peer {
    /// haproxy with splice: `mode` is tcp or http.
    pub(crate) fn haproxy(mode: &str, server: SocketAddr) -> anyhow::Result<Self> {
        Self::start("haproxy", Signal::SIGTERM, |address, place| {
            let config = haproxy_config(mode, flows()?, address, server);
            let file = place.write("haproxy.cfg", &config)?;
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(file);
            Ok(command)
        })
    }

    /// nginx as a TCP proxy.
    pub(crate) fn nginx_stream(server: SocketAddr) -> anyhow::Result<Self> {
        Self::nginx(|address| {
            format!(
                "stream {{ proxy_buffer_size 256k; proxy_timeout 1h;\n\
                 server {{ listen {address}; proxy_pass {server}; }} }}\n"
            )
        })
    }

    /// nginx as an HTTP proxy that keeps connections to the server.
    pub(crate) fn nginx_http(server: SocketAddr) -> anyhow::Result<Self> {
        Self::nginx(|address| {
            format!(
                "http {{ access_log off; keepalive_requests 100000000; proxy_buffering on;\n\
                 upstream origin {{ server {server}; keepalive 64; keepalive_requests 100000000; }}\n\
                 server {{ listen {address}; location / {{ proxy_pass http://origin;\n\
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
            )
        })
    }

    fn nginx(blocks: impl FnOnce(SocketAddr) -> String) -> anyhow::Result<Self> {
        Self::start("nginx", Signal::SIGTERM, |address, place| {
            let config = nginx_config(place.path(), flows()? * 2, &blocks(address));
            let file = place.write("nginx.conf", &config)?;
            let mut command = Command::new("nginx");
            command.arg("-c").arg(file);
            command.arg("-e").arg(place.path().join("error.log"));
            Ok(command)
        })
    }

    /// pgbouncer in session mode, for the superuser of the harness's server.
    pub(crate) fn pgbouncer(server: SocketAddr) -> anyhow::Result<Self> {
        Self::start("pgbouncer", Signal::SIGINT, |address, place| {
            let file = place.write("pgbouncer.ini", &pgbouncer_config(address, server))?;
            let mut command = Command::new("pgbouncer");
            command.arg("-q");
            if Uid::effective().is_root() {
                command.args(["-u", "postgres"]);
            }
            command.arg(file);
            Ok(command)
        })
    }

    fn start(
        name: &'static str,
        stop: Signal,
        command: impl FnOnce(SocketAddr, &Scratch) -> anyhow::Result<Command>,
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let address = SocketAddr::new(REMOTE, free_port(REMOTE)?);
        let mut command = command(address, &scratch)?;
        let log = scratch.path().join("output");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?);
        let process = Daemonised::spawn(&mut command, stop)
            .with_context(|| format!("{name}; cargo xtask setup installs it"))?;
        wait_for_port(REMOTE, address.port())
            .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(Self {
            name,
            address,
            process,
            _scratch: scratch,
        })
    }

    /// Its processes.
    pub(crate) fn watched(&self) -> Watched {
        Watched::Family(self.process.pid())
    }
}

/// Flows that a peer can have here: two files each.
fn flows() -> anyhow::Result<u64> {
    let files = machine::open_files()?;
    Ok((files.saturating_sub(OTHER_FILES) / 2).min(FLOWS))
}

fn haproxy_config(mode: &str, flows: u64, address: SocketAddr, server: SocketAddr) -> String {
    // Splicing is for streams: with it, haproxy's HTTP mode is the slower one.
    let splice = if mode == "tcp" {
        "  option splice-request\n  option splice-response\n"
    } else {
        ""
    };
    format!(
        "global\n  maxconn {flows}\n  maxpipes {PIPES}\n  nbthread 2\n\
         defaults\n  mode {mode}\n{splice}  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n\
         frontend in\n  bind {address}\n  default_backend out\n\
         backend out\n  server one {server}\n"
    )
}

fn nginx_config(place: &Path, connections: u64, blocks: &str) -> String {
    // Debian loads the stream module by a file of its own.
    let module = Path::new("/usr/share/nginx/modules-available/mod-stream.conf");
    let include = if module.exists() {
        format!("include {};\n", module.display())
    } else {
        String::new()
    };
    let place = place.display();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind}; "))
        .concat();
    let blocks = blocks.replace("http {", &format!("http {{ {folders}"));
    format!(
        "{include}daemon off; worker_processes 2; pid {place}/pid; error_log {place}/error.log;\n\
         events {{ worker_connections {connections}; }}\n{blocks}"
    )
}

fn pgbouncer_config(address: SocketAddr, server: SocketAddr) -> String {
    format!(
        "[databases]\n* = host={} port={} user=postgres\n\
         [pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = session\nmax_client_conn = 200\ndefault_pool_size = 50\n\
         ignore_startup_parameters = extra_float_digits\nserver_reset_query =\n",
        server.ip(),
        server.port(),
        address.ip(),
        address.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> (SocketAddr, SocketAddr) {
        (
            "127.9.9.9:1".parse().unwrap(),
            "127.9.9.9:2".parse().unwrap(),
        )
    }

    #[test]
    fn haproxy_splices_streams_only() {
        let (here, there) = addresses();
        let tcp = haproxy_config("tcp", 10, here, there);
        assert!(tcp.contains("splice-request") && tcp.contains("bind 127.9.9.9:1\n"));
        assert!(tcp.contains("server one 127.9.9.9:2\n"));
        assert!(!haproxy_config("http", 10, here, there).contains("splice-request"));
    }

    #[test]
    fn nginx_writes_below_its_own_folder_only() {
        let text = nginx_config(Path::new("/tmp/x"), 20, "http { server { } }");
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            assert!(
                text.contains(&format!("{kind}_temp_path /tmp/x/{kind};")),
                "{text}"
            );
        }
    }

    #[test]
    fn pgbouncer_listens_and_forwards() {
        let (here, there) = addresses();
        let text = pgbouncer_config(here, there);
        assert!(text.contains("* = host=127.9.9.9 port=2 user=postgres\n"));
        assert!(text.contains("listen_addr = 127.9.9.9\nlisten_port = 1\n"));
        assert!(text.contains("pool_mode = session\n"));
    }
}
