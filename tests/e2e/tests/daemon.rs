//! `sluice daemon`: what it enforces, while it is there and while it is not.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use sluice_e2e::scene::{ALLOW, OPEN, SHUT, Scene, stop, until};
use sluice_e2e::{job_cgroups, shown, text, wait_until, web};
use sluice_harness::Job;

#[test]
fn jobs_run_behind_the_daemon_and_status_says_what_is_enforced() -> anyhow::Result<()> {
    let Some(scene) =
        Scene::or_skip("jobs_run_behind_the_daemon_and_status_says_what_is_enforced")?
    else {
        return Ok(());
    };
    ensure!(
        scene.status_of("/open/x")? == "200",
        "{}",
        scene.status_of("/open/x")?
    );
    ensure!(
        scene.status_of("/secret")? == "403",
        "the host's policy is the ceiling"
    );
    let status = scene.world.sluice.ask_json(&["status", "--json"])?;
    let status = status.first().context("no status")?;
    ensure!(status["open"] == true && status["pid"].is_u64(), "{status}");
    let lines = status["enforcement"].as_array().context("no enforcement")?;
    let hooks = lines
        .iter()
        .filter(|line| text(line, "what").starts_with("hook ") && line["enforced"] == true);
    ensure!(hooks.count() >= 8, "{status}");
    let probed = lines
        .iter()
        .filter(|line| text(line, "detail").contains("probed") && line["enforced"] == true);
    ensure!(probed.count() >= 5, "{status}");
    for blind in ["packet, vsock", "unix sockets", "TLS", "root of the host"] {
        let said = |line: &&serde_json::Value| {
            line["what"]
                .as_str()
                .is_some_and(|what| what.contains(blind))
        };
        let line = lines.iter().find(said).context(blind)?;
        ensure!(line["enforced"] == false, "{line}");
    }
    let words = scene.world.sluice.ask(&["status"])?;
    ensure!(
        words.contains("connect4") && words.contains("host"),
        "{words}"
    );
    let config = scene
        .world
        .sluice
        .config()
        .context("no config")?
        .display()
        .to_string();
    let twice = scene
        .world
        .sluice
        .command(&["run", "--config", &config, "--", "true"])?
        .output()?;
    ensure!(twice.status.code() == Some(125), "{twice:?}");
    let other = scene.world.as_user("nobody", &["sessions", "list"])?;
    ensure!(
        other.status != 0 && !other.stdout.contains("curl"),
        "{}",
        shown(&other)
    );
    Ok(())
}

#[test]
fn two_jobs_at_once_are_told_apart() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("two_jobs_at_once_are_told_apart")? else {
        return Ok(());
    };
    let script = format!(
        "for i in 1 2 3 4 5; do curl -sS -m 20 -o /dev/null {}/open/$i; done",
        web::url(&scene.web)
    );
    let policy = |name: &str| format!("version: 1\nname: {name}\ndefault: allow\n");
    let jobs: Vec<Child> = ["first", "second", "third"]
        .iter()
        .map(|name| scene.world.start_under_daemon(&policy(name), &script))
        .collect::<anyhow::Result<_>>()?;
    for job in jobs {
        let job = Job::of(&job.wait_with_output()?);
        ensure!(job.status == 0, "{}", shown(&job));
    }
    let sessions = scene.world.sluice.sessions_of("http")?;
    let mut ids: Vec<&str> = sessions.iter().map(|s| text(s, "job.id")).collect();
    ids.sort_unstable();
    ensure!(
        ids.len() == 15 && ids.chunk_by(|a, b| a == b).all(|same| same.len() == 5),
        "{ids:?}"
    );
    Ok(())
}

#[test]
fn a_build_that_keeps_every_core_busy_is_served() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_build_that_keeps_every_core_busy_is_served")? else {
        return Ok(());
    };
    // Long enough for several heartbeats to come late.
    let script = format!(
        "busy=; for i in $(seq 32); do sh -c 'while :; do :; done' & busy=\"$busy $!\"; done
         trap 'kill $busy' EXIT
         until=$(($(date +%s) + 4))
         while [ $(date +%s) -lt $until ]; do curl -sS -m 20 -o /dev/null {}/open/ || exit 9; done",
        web::url(&scene.web)
    );
    let policy = "version: 1\nname: busy\ndefault: allow\n";
    let job = scene.world.start_under_daemon(policy, &script)?;
    let job = Job::of(&job.wait_with_output()?);
    ensure!(job.status == 0, "{}", shown(&job));
    let sessions = scene.world.sluice.sessions()?;
    let verdicts: Vec<&str> = sessions.iter().map(|s| text(s, "verdict")).collect();
    ensure!(
        !verdicts.is_empty() && verdicts.iter().all(|verdict| *verdict == "allow"),
        "{verdicts:?}"
    );
    Ok(())
}

#[test]
fn a_set_with_an_error_never_replaces_a_good_one() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("a_set_with_an_error_never_replaces_a_good_one")? else {
        return Ok(());
    };
    let scratch = scene.world.sluice.scratch();
    scratch.write(
        "policies/host/broken.yaml",
        "version: 1\nname: broken\nrulez: []\n",
    )?;
    let reload = scene.world.sluice.command(&["reload"])?.output()?;
    let said = String::from_utf8_lossy(&reload.stderr);
    ensure!(
        !reload.status.success()
            && said.contains("broken.yaml")
            && said.contains("rulez")
            && said.contains("3:1"),
        "{said}"
    );
    kill(scene.daemon.pid(), Signal::SIGHUP)?;
    ensure!(scene.status_of("/open/x")? == "200" && scene.status_of("/secret")? == "403");
    std::fs::remove_file(scratch.path().join("policies/host/broken.yaml"))?;
    scratch.write(
        "policies/host/ceiling.yaml",
        &ALLOW.replace("/open/**", "/secret"),
    )?;
    let (job, mut lines) = scene.connecting()?;
    until(&mut lines, OPEN, 30)?;
    let names = scene.world.sluice.ask(&["reload"])?;
    ensure!(names.contains("host"), "{names}");
    // A job that runs is judged by the new set as well.
    until(&mut lines, "HTTP/1.1 403", 30)?;
    stop(job)?;
    ensure!(scene.status_of("/open/x")? == "403" && scene.status_of("/secret")? == "200");
    Ok(())
}

#[test]
fn with_the_daemon_dead_the_kernel_refuses_until_another_takes_over() -> anyhow::Result<()> {
    let test = "with_the_daemon_dead_the_kernel_refuses_until_another_takes_over";
    let Some(mut scene) = Scene::or_skip(test)? else {
        return Ok(());
    };
    let (job, mut lines) = scene.connecting()?;
    until(&mut lines, OPEN, 30)?;
    scene.daemon.kill();
    // The gate stays open for under a second; then nothing but refusals.
    until(&mut lines, SHUT, 15)?;
    for _ in 0..5 {
        until(&mut lines, SHUT, 1)?;
    }
    let outside = scene.world.direct(&format!(
        "curl -sS -m 10 -o /dev/null -w '%{{http_code}}' {}/open/x",
        web::url(&scene.web)
    ))?;
    ensure!(
        outside.stdout == "200",
        "who is no job is not concerned: {}",
        shown(&outside)
    );
    scene.daemon = scene.world.daemon()?;
    ensure!(
        scene.status_of("/open/x")? == "200",
        "the new daemon does not serve"
    );
    let seen: Vec<String> = (&mut lines).take(5).collect::<std::io::Result<_>>()?;
    // A job whose daemon died has lost its policy: it is refused, by whatever words.
    ensure!(seen.iter().all(|line| line != OPEN), "{seen:?}");
    stop(job)?;
    ensure!(
        scene
            .world
            .sluice
            .command(&["store", "verify"])?
            .output()?
            .status
            .success()
    );
    Ok(())
}

#[test]
fn with_the_daemon_hung_the_kernel_refuses_until_it_goes_on() -> anyhow::Result<()> {
    let Some(scene) = Scene::or_skip("with_the_daemon_hung_the_kernel_refuses_until_it_goes_on")?
    else {
        return Ok(());
    };
    let (job, mut lines) = scene.connecting()?;
    until(&mut lines, OPEN, 30)?;
    kill(scene.daemon.pid(), Signal::SIGSTOP)?;
    until(&mut lines, SHUT, 15)?;
    for _ in 0..5 {
        until(&mut lines, SHUT, 1)?;
    }
    kill(scene.daemon.pid(), Signal::SIGCONT)?;
    until(&mut lines, OPEN, 60)?;
    stop(job)?;
    Ok(())
}

#[test]
fn unload_takes_everything_out_of_the_kernel() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("unload_takes_everything_out_of_the_kernel")? else {
        return Ok(());
    };
    let unload = || -> anyhow::Result<_> {
        Ok(scene
            .world
            .sluice
            .command(&["daemon", "--unload"])?
            .output()?)
    };
    let busy = unload()?;
    ensure!(
        !busy.status.success(),
        "it unloads under a daemon that runs: {busy:?}"
    );
    ensure!(scene.status_of("/open/x")? == "200");
    kill(scene.daemon.pid(), Signal::SIGTERM)?;
    ensure!(wait_until(Duration::from_secs(10), || scene
        .daemon
        .has_ended()));
    let done = scene
        .world
        .sluice
        .command(&["daemon", "--unload"])?
        .output()?;
    ensure!(done.status.success(), "{done:?}");
    let pins = std::fs::read_dir(scene.world.sluice.state().join("bpf")).map_or(0, Iterator::count);
    ensure!(
        pins == 0 && job_cgroups().is_empty(),
        "{pins} pins, cgroups {:?}",
        job_cgroups()
    );
    Ok(())
}

#[test]
fn what_decided_is_explained_with_a_daemon_and_without_one() -> anyhow::Result<()> {
    let Some(mut scene) =
        Scene::or_skip("what_decided_is_explained_with_a_daemon_and_without_one")?
    else {
        return Ok(());
    };
    ensure!(scene.status_of("/secret")? == "403");
    let sluice = &scene.world.sluice;
    let session = sluice.sessions_of("http")?;
    let id = text(session.last().context("no session")?, "id").to_owned();
    // What came after changes nothing: it is explained by what decided.
    sluice.scratch().write(
        "policies/host/ceiling.yaml",
        "version: 1\nname: other\ndefault: allow\n",
    )?;
    sluice.ask(&["reload"])?;
    let with = sluice.ask(&["policy", "explain", &id])?;
    ensure!(with.contains("reads") && with.contains("/secret"), "{with}");
    ensure!(!with.contains("recorded is"), "{with}");
    let shown = sluice.ask(&["policy", "show", "--job", "run"])?;
    ensure!(
        shown.contains("host") && shown.contains("own") && !shown.contains("other"),
        "{shown}"
    );
    scene.stop_daemon()?;
    let sluice = &scene.world.sluice;
    ensure!(sluice.ask(&["policy", "explain", &id])? == with);
    ensure!(sluice.ask(&["policy", "show", "--job", "run"])? == shown);
    let notes = sluice.ask(&["store", "notes"])?;
    for said in [
        "started, pid",
        "in force of the host",
        "the gate opened",
        "stopped: ",
    ] {
        ensure!(notes.contains(said), "no {said}: {notes}");
    }
    Ok(())
}
