//! A daemon, a web server behind it, and jobs that go on for as long as a test looks.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use sluice_harness::Daemonised;

use crate::{Script, World, python, shown, wait_until, web};

/// The host's policy: reads below `/open`, and below `/any` also who is not known for certain.
pub const ALLOW: &str = "version: 1
name: host
default: deny
rules:
  - name: reads
    what: { host: api.internal, http: { method: [GET], path: \"/open/**\" } }
    then: allow
  - name: reads-of-whomever
    who: { lineage: any }
    what: { host: api.internal, http: { method: [GET], path: \"/any/**\" } }
    then: allow
";
/// A policy of the job's own that narrows nothing.
pub const ALL: &str = "version: 1\nname: own\ndefault: allow\n";
/// What a job of [`Scene::connecting`] says when it was answered.
pub const OPEN: &str = "HTTP/1.1 200";
/// What it says when the kernel refused.
pub const SHUT: &str = "PermissionError";

/// Lines of a job, as they come.
pub type Lines = std::io::Lines<BufReader<ChildStdout>>;

/// A daemon and a web server.
pub struct Scene {
    /// Where they are.
    pub world: World,
    /// The server, `api.internal`.
    pub web: Script,
    /// The daemon.
    pub daemon: Daemonised,
}

impl Scene {
    /// One of its own; `None`, and a word of it, where the kernel side cannot be tried.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn or_skip(test: &str) -> anyhow::Result<Option<Self>> {
        Self::with_config_or_skip(test, "")
    }

    /// The same, with more in `sluice.toml`: tables.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn with_config_or_skip(test: &str, more: &str) -> anyhow::Result<Option<Self>> {
        let Some(world) = World::or_skip(test, &["api.internal"])? else {
            return Ok(None);
        };
        let place = world.sluice.scratch().path().join("policies");
        let config = format!(
            "[policy]\ndirectory = {:?}\n[resolver.hosts]\n\"api.internal\" = [\"127.9.9.9\"]\n{more}",
            place.display().to_string()
        );
        world.sluice.scratch().write("sluice.toml", &config)?;
        world
            .sluice
            .scratch()
            .write("policies/host/ceiling.yaml", ALLOW)?;
        let web = web::serve(&world.sluice)?;
        let daemon = world.daemon()?;
        Ok(Some(Self { world, web, daemon }))
    }

    /// The status that a job gets for a path.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn status_of(&self, path: &str) -> anyhow::Result<String> {
        let script = format!(
            "curl -sS -m 20 -o /dev/null -w '%{{http_code}}' {}{path}",
            web::url(&self.web)
        );
        let job = self.world.under_daemon(ALL, &script)?;
        Ok(if job.status == 0 {
            job.stdout
        } else {
            shown(&job)
        })
    }

    /// Words of a shell script that asks for a path ten times a second, and says each time how
    /// that went.
    #[must_use]
    pub fn asking(&self, path: &str) -> String {
        format!(
            "{} -u -c \"import socket, time
while True:
    try:
        s = socket.create_connection(('127.9.9.9', {}), 5); s.settimeout(1)
        s.sendall(b'GET {path} HTTP/1.1\\r\\nHost: api.internal:{}\\r\\nConnection: close\\r\\n\\r\\n')
        answer = s.recv(12)
        print(answer.decode() if answer else 'nothing')
    except OSError as e:
        print(type(e).__name__)
    time.sleep(0.1)\"",
            python().display(),
            self.web.port,
            self.web.port
        )
    }

    /// A job that does so.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn connecting(&self) -> anyhow::Result<(Child, Lines)> {
        let child = self
            .world
            .start_under_daemon(ALL, &self.asking("/open/x"))?;
        lines_of(child)
    }

    /// Stops the daemon as an operator would.
    ///
    /// # Errors
    /// When it does not go down.
    pub fn stop_daemon(&mut self) -> anyhow::Result<()> {
        kill(self.daemon.pid(), Signal::SIGTERM)?;
        let ended = wait_until(Duration::from_secs(10), || self.daemon.has_ended());
        anyhow::ensure!(ended, "the daemon does not go down");
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.daemon.has_ended() {
            let _ = kill(self.daemon.pid(), Signal::SIGCONT);
            let _ = kill(self.daemon.pid(), Signal::SIGTERM);
            wait_until(Duration::from_secs(10), || self.daemon.has_ended());
        }
        let _ = self.world.sluice.ask(&["daemon", "--unload"]);
    }
}

/// A child and what it writes.
///
/// # Errors
/// When its standard output is not piped.
pub fn lines_of(mut child: Child) -> anyhow::Result<(Child, Lines)> {
    let out = child.stdout.take().context("no stdout")?;
    Ok((child, BufReader::new(out).lines()))
}

/// Ends a job by the signal that `sluice run` passes on.
///
/// # Errors
/// When it cannot be waited for.
pub fn stop(mut child: Child) -> anyhow::Result<()> {
    kill(
        nix::unistd::Pid::from_raw(i32::try_from(child.id())?),
        Signal::SIGTERM,
    )?;
    child.wait()?;
    Ok(())
}

/// Reads until a line is `wanted`; at most `most` lines that are something else.
///
/// # Errors
/// When it is not among them.
pub fn until(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    wanted: &str,
    most: usize,
) -> anyhow::Result<()> {
    let mut seen = Vec::new();
    for line in lines.take(most) {
        let line = line?;
        if line == wanted {
            return Ok(());
        }
        seen.push(line);
    }
    anyhow::bail!("no {wanted}: {seen:?}")
}
