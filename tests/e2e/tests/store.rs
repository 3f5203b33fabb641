//! The record: what people read of it, and what it survives.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use sluice_e2e::{Script, World, shown, text, wait_until, web};
use sluice_harness::Nginx;

const POLICY: &str = "version: 1
name: web
default: deny
rules:
  - name: reads
    what: { host: api.internal, http: { method: [GET, POST], path: \"/open/**\" } }
    then: allow
mask:
  - name: people
    detect: [email]
    with: redact
record: { payload: masked }
";

fn recorded(test: &str) -> anyhow::Result<Option<(World, Script)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let peer = web::serve(&world.sluice)?;
    let url = web::url(&peer);
    let script = format!(
        "curl -sS -m 20 {url}/open/1 {url}/open/2; sh -c 'wget -q -O - {url}/secret; true'"
    );
    let job = world.sluice.run_with(
        POLICY,
        &["--quiet", "--name", "nightly"],
        &["sh", "-c", &script],
    )?;
    ensure!(job.stdout.contains("GET /open/2"), "{}", shown(&job));
    Ok(Some((world, peer)))
}

/// Segments of the log, oldest first.
fn segments(world: &World) -> anyhow::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(world.sluice.state().join("log"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    found.sort();
    Ok(found)
}

#[test]
fn sessions_are_listed_by_what_is_asked_for() -> anyhow::Result<()> {
    let Some((world, _peer)) = recorded("sessions_are_listed_by_what_is_asked_for")? else {
        return Ok(());
    };
    let count = |filter: &[&str]| -> anyhow::Result<usize> {
        let arguments = [&["sessions", "list", "--json"], filter].concat();
        Ok(world
            .sluice
            .ask_json(&arguments)?
            .iter()
            .filter(|s| s["protocol"] == "http")
            .count())
    };
    for (filter, want) in [
        (&[][..], 2),
        (&["--verdict", "allow"], 1),
        (&["--verdict", "deny"], 1),
        (&["--process", "curl"], 1),
        (&["--process", "**/bin/wget"], 1),
        (&["--process", "psql"], 0),
        (&["--host", "api.internal"], 2),
        (&["--host", "*.internal", "--verdict", "deny"], 1),
        (&["--host", "other.*"], 0),
        (&["--job", "nightly"], 2),
        (&["--job", "weekly"], 0),
        (&["--since", "10m"], 2),
        (&["--until", "10m"], 0),
    ] {
        ensure!(count(filter)? == want, "{filter:?}: {}", count(filter)?);
    }
    ensure!(
        world
            .sluice
            .ask_json(&["sessions", "list", "--json", "--limit", "1"])?
            .len()
            == 1
    );
    let table = world.sluice.ask(&["sessions", "list"])?;
    for part in [
        "SESSION",
        "nightly",
        "curl",
        "wget",
        "api.internal",
        "web/reads",
        "web/default",
    ] {
        ensure!(table.contains(part), "{part}: {table}");
    }
    Ok(())
}

#[test]
fn a_session_and_its_lineage_can_be_read() -> anyhow::Result<()> {
    let Some((world, _peer)) = recorded("a_session_and_its_lineage_can_be_read")? else {
        return Ok(());
    };
    let sessions = world.sluice.sessions_of("http")?;
    let denied = sessions
        .iter()
        .find(|s| s["verdict"] == "deny")
        .context("no session")?;
    let id = text(denied, "id");
    let transcript = world.sluice.ask(&["sessions", "show", id])?;
    for part in ["GET /secret", "wget", "web/default", "refused", "closed"] {
        ensure!(transcript.contains(part), "{part}: {transcript}");
    }
    let short = id.rsplit('-').next().unwrap_or_default();
    ensure!(world.sluice.ask(&["sessions", "show", short])? == transcript);
    let tree = world.sluice.ask(&["lineage", id])?;
    let places: Vec<Option<usize>> = ["sh -c", "wget", "/secret"]
        .iter()
        .map(|part| tree.find(part))
        .collect();
    ensure!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?} {tree}"
    );
    let exec = denied["lineage"]
        .as_array()
        .and_then(|l| l.last())
        .context("no exec")?;
    let of_exec = world.sluice.ask(&["lineage", text(exec, "id")])?;
    ensure!(of_exec.contains("wget"), "{of_exec}");
    let allowed = sessions
        .iter()
        .find(|s| s["verdict"] == "allow")
        .context("no session")?;
    let events = world.sluice.events(allowed)?;
    let bodies: String = events
        .iter()
        .filter(|e| e["kind"] == "payload")
        .map(|e| text(e, "text"))
        .collect();
    ensure!(bodies.contains("GET /open/1 HTTP/1.1"), "{events:?}");
    let unknown = world
        .sluice
        .command(&["sessions", "show", "ffffffff"])?
        .output()?;
    ensure!(
        !unknown.status.success() && !unknown.stderr.is_empty(),
        "{unknown:?}"
    );
    Ok(())
}

#[test]
fn events_can_be_followed() -> anyhow::Result<()> {
    let Some((world, peer)) = recorded("events_can_be_followed")? else {
        return Ok(());
    };
    let mut command = world
        .sluice
        .command(&["sessions", "follow", "--from-start", "--json"])?;
    let mut follow = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(follow.stdout.take().context("no stdout")?).lines();
    let mut await_path = |path: &str| -> anyhow::Result<()> {
        for line in &mut lines {
            let event: Value = serde_json::from_str(&line?)?;
            if text(&event, "path") == path {
                return Ok(());
            }
        }
        anyhow::bail!("{path} is not told")
    };
    await_path("/secret")?;
    let script = format!(
        "curl -sS -m 20 {}/open/while-it-is-followed",
        web::url(&peer)
    );
    world.gated(POLICY, &script)?;
    await_path("/open/while-it-is-followed")?;
    kill(
        nix::unistd::Pid::from_raw(i32::try_from(follow.id())?),
        Signal::SIGINT,
    )?;
    follow.wait()?;
    Ok(())
}

#[test]
fn a_flipped_byte_is_found_and_named() -> anyhow::Result<()> {
    let Some((world, _peer)) = recorded("a_flipped_byte_is_found_and_named")? else {
        return Ok(());
    };
    let whole = world.sluice.command(&["store", "verify"])?.output()?;
    ensure!(whole.status.success(), "{whole:?}");
    let segment = segments(&world)?.into_iter().next().context("no segment")?;
    let good = std::fs::read(&segment)?;
    for place in [good.len() / 4, good.len() / 2, good.len() * 3 / 4] {
        let mut bad = good.clone();
        let byte = bad.get_mut(place).context("empty")?;
        *byte ^= 0x20;
        std::fs::write(&segment, &bad)?;
        let found = world.sluice.command(&["store", "verify"])?.output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&found.stdout),
            String::from_utf8_lossy(&found.stderr)
        );
        let name = segment.file_name().context("no name")?.to_string_lossy();
        ensure!(
            !found.status.success() && said.contains(&*name) && said.contains("byte"),
            "{place}: {said}"
        );
    }
    // A record that is taken out whole leaves a gap in the chain.
    let mut cut = good.clone();
    cut.truncate(good.len() / 2);
    std::fs::write(&segment, &cut)?;
    let found = world.sluice.command(&["store", "verify"])?.output()?;
    ensure!(!found.status.success(), "{found:?}");
    std::fs::write(&segment, &good)?;
    ensure!(
        world
            .sluice
            .command(&["store", "verify"])?
            .output()?
            .status
            .success()
    );
    Ok(())
}

#[test]
fn the_index_is_made_anew_from_the_log() -> anyhow::Result<()> {
    let Some((world, _peer)) = recorded("the_index_is_made_anew_from_the_log")? else {
        return Ok(());
    };
    let before = world.sluice.ask(&["sessions", "list", "--json"])?;
    std::fs::remove_dir_all(world.sluice.state().join("log/index"))?;
    let said = world.sluice.ask(&["store", "rebuild"])?;
    ensure!(said.contains("closed session"), "{said}");
    ensure!(world.sluice.ask(&["sessions", "list", "--json"])? == before);
    std::fs::remove_dir_all(world.sluice.state().join("log/index"))?;
    let without = world.sluice.ask(&["sessions", "list", "--json"])?;
    ensure!(without == before, "{without}");
    Ok(())
}

/// Requests in the log of the server.
fn arrived(log: &Path) -> usize {
    std::fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.contains("/open/"))
        .count()
}

fn logging(world: &World) -> anyhow::Result<(Nginx, PathBuf)> {
    let log = world.sluice.scratch().path().join("access.log");
    let place = log.display().to_string();
    let web = Nginx::start_with(world.sluice.scratch(), |port| {
        format!(
            "http {{ access_log {place}; server {{ listen 127.9.9.9:{port}; location / {{ return 200 'hello'; }} }} }}\n"
        )
    })?;
    Ok((web, log))
}

/// Operations that were recorded as allowed.
fn allowed(world: &World) -> anyhow::Result<usize> {
    let events = world.events_of("http")?;
    Ok(events
        .iter()
        .filter(|e| e["kind"] == "verdict" && e["verdict"] == "allow")
        .count())
}

#[test]
fn a_killed_daemon_loses_nothing_that_was_forwarded() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "a_killed_daemon_loses_nothing_that_was_forwarded",
        &["api.internal"],
    )?
    else {
        return Ok(());
    };
    let (web, log) = logging(&world)?;
    let mut daemon = world.daemon()?;
    let script = format!(
        "for c in 1 2 3 4; do (for i in $(seq 300); do curl -s -m 5 -o /dev/null -o /dev/null http://api.internal:{0}/open/$c/$i http://api.internal:{0}/open/$c/b$i || exit; done) & done; wait",
        web.port
    );
    let job = world.start_under_daemon(POLICY, &script)?;
    ensure!(
        wait_until(Duration::from_secs(30), || arrived(&log) > 150),
        "{} arrived",
        arrived(&log)
    );
    daemon.kill();
    job.wait_with_output()?;
    let before = allowed(&world)?;
    let daemon = world.daemon()?;
    let (recorded, arrived) = (allowed(&world)?, arrived(&log));
    drop(daemon);
    world.sluice.ask(&["daemon", "--unload"])?;
    ensure!(
        recorded >= arrived && recorded >= before,
        "{arrived} reached the server, {recorded} are recorded ({before} before)"
    );
    let sessions = world.sluice.sessions()?;
    let open = sessions.iter().filter(|s| s["outcome"].is_null()).count();
    ensure!(open == 0, "{open} sessions have no end after the restart");
    ensure!(
        world
            .sluice
            .command(&["store", "verify"])?
            .output()?
            .status
            .success()
    );
    Ok(())
}

/// A file system of its own, unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, megabytes: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .status()?;
        ensure!(mounted.success(), "cannot mount a tmpfs");
        Ok(Self(at.to_owned()))
    }

    fn fill(&self) -> anyhow::Result<()> {
        let mut file = std::fs::File::create(self.0.join("filler"))?;
        while file.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_sessions_end_rather_than_go_unrecorded() -> anyhow::Result<()> {
    let test = "on_a_full_disk_sessions_end_rather_than_go_unrecorded";
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(());
    };
    let (web, log) = logging(&world)?;
    let disk = Small::mount(&world.sluice.state(), 64)?;
    let daemon = world.daemon()?;
    let note = world.sluice.scratch().path().join("full");
    // With the name resolved by hand, so that requests are not held up by names that fail.
    let script = format!(
        "url=http://api.internal:{0}/open; curl='curl -s -m 5 -o /dev/null -w %{{http_code}}\\n --resolve api.internal:{0}:127.9.9.9'
$curl $url/before; while ! test -e {1}; do sleep 0.05; done
for i in $(seq 150); do $curl $url/$i/{2}; done
curl -s -m 10 $url/by-name; echo by name: $?",
        web.port,
        note.display(),
        "x".repeat(2000)
    );
    let job = world.start_under_daemon(POLICY, &script)?;
    ensure!(wait_until(Duration::from_secs(10), || arrived(&log) == 1));
    disk.fill()?;
    std::fs::write(&note, "")?;
    let output = sluice_harness::Job::of(&job.wait_with_output()?);
    let ended = output
        .stdout
        .lines()
        .filter(|line| !line.ends_with("200"))
        .count();
    ensure!(
        ended > 0,
        "every request went through: the log had room for all"
    );
    let said = std::fs::read_to_string(world.sluice.scratch().path().join("daemon.log"))?;
    ensure!(
        said.contains("No space left"),
        "the daemon does not say it: {said}"
    );
    std::fs::remove_file(world.sluice.state().join("filler"))?;
    let (recorded, arrived) = (allowed(&world)?, arrived(&log));
    ensure!(
        recorded >= arrived,
        "{arrived} reached the server, {recorded} are recorded"
    );
    drop(daemon);
    world.sluice.ask(&["daemon", "--unload"])?;
    ensure!(
        world
            .sluice
            .command(&["store", "verify"])?
            .output()?
            .status
            .success()
    );
    let again = world.gated(
        POLICY,
        &format!("curl -s -m 5 http://api.internal:{}/open/again", web.port),
    )?;
    ensure!(
        again.stdout == "hello",
        "with room it works again: {}",
        shown(&again)
    );
    Ok(())
}
