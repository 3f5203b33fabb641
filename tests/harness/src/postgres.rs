use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::process::{Daemonised, wait_for_port};
use crate::scratch::{REMOTE, Scratch, free_port};

/// Where Debian 12 keeps the server's programs.
pub const POSTGRES_BIN: &str = "/usr/lib/postgresql/15/bin";

/// A PostgreSQL server on [`REMOTE`], with a superuser `postgres` (trust) and, for tests of
/// authentication, `ada` (scram-sha-256) and `bob` (md5), password `lovelace`.
pub struct Postgres {
    /// Its port.
    pub port: u16,
    process: Daemonised,
    directory: PathBuf,
}

impl Postgres {
    /// Makes a cluster in `scratch` and starts it.
    ///
    /// # Errors
    /// When its programs are missing or it does not come up; says what it printed.
    pub fn start(scratch: &Scratch) -> anyhow::Result<Self> {
        let directory = scratch.path().join("pg");
        std::fs::create_dir_all(&directory)?;
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))?;
        let owner = owner()?;
        if let Some(owner) = &owner {
            chown(
                &directory,
                Some(owner.uid.as_raw()),
                Some(owner.gid.as_raw()),
            )?;
        }
        let data = directory.join("data");
        let output = as_owner(owner.as_ref(), &format!("{POSTGRES_BIN}/initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(&data)
            .output()
            .context("cannot run initdb; cargo xtask setup installs it")?;
        if !output.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::fs::write(
            data.join("pg_hba.conf"),
            "local all all trust\nhost all ada 0.0.0.0/0 scram-sha-256\nhost all bob 0.0.0.0/0 md5\nhost all all 0.0.0.0/0 trust\n",
        )?;
        let port = free_port(REMOTE)?;
        let log = std::fs::File::create(directory.join("log"))?;
        let process = Daemonised::spawn(
            as_owner(owner.as_ref(), &format!("{POSTGRES_BIN}/postgres"))
                .arg("-D")
                .arg(&data)
                .args(["-p", &port.to_string(), "-k"])
                .arg(&directory)
                .args(["-c", &format!("listen_addresses={REMOTE}")])
                .args(["-c", "fsync=off", "-c", "max_connections=200"])
                .args(["-c", "shared_buffers=32MB"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
            Signal::SIGINT,
        )?;
        let server = Self {
            port,
            process,
            directory,
        };
        wait_for_port(REMOTE, port).with_context(|| server.log())?;
        server.sql(
            "create role bob login; set password_encryption='md5'; alter role bob password 'lovelace'; \
             set password_encryption='scram-sha-256'; create role ada login password 'lovelace';",
        )?;
        Ok(server)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> nix::unistd::Pid {
        self.process.pid()
    }

    /// Runs statements directly, as the superuser, and gives what psql printed.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn sql(&self, statements: &str) -> anyhow::Result<String> {
        let output = Command::new("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                "postgres",
            ])
            .args([
                "-h",
                &REMOTE.to_string(),
                "-p",
                &self.port.to_string(),
                "-c",
                statements,
            ])
            .output()
            .context("cannot run psql; cargo xtask setup installs it")?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    }
}

/// The server refuses to run as root: then it runs as `postgres`.
fn owner() -> anyhow::Result<Option<User>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")?.context("no user postgres: cargo xtask setup")?;
    Ok(Some(user))
}

fn as_owner(owner: Option<&User>, program: &str) -> Command {
    let mut command = match owner {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={}", user.uid))
                .arg(format!("--regid={}", user.gid));
            command.arg("--clear-groups").arg("--").arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir(Path::new("/"));
    command
}
