//! A daemon that is started again: what of the jobs of the one before goes on.

use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sluice_e2e::agent::Agent;
use sluice_e2e::scene::{ALL, Lines, OPEN, SHUT, Scene, lines_of, stop, until};
use sluice_e2e::{at, text, wait_until, web};

const SECRET: &str = "kX9mQ2vT7pL4wZ8c";
const FORBIDDEN: &str = "HTTP/1.1 403";

/// A job with a secret that it asks for all the time.
fn with_secret(scene: &Scene, path: &str) -> anyhow::Result<(Child, Lines)> {
    let asking = scene.asking(&format!("{path}/{SECRET}"));
    let mut run = scene
        .world
        .run_under_daemon(ALL, &["--secret", "TOKEN"], &asking)?;
    lines_of(run.env("TOKEN", SECRET).spawn()?)
}

fn status(scene: &Scene) -> anyhow::Result<Value> {
    let status = scene.world.sluice.ask_json(&["status", "--json"])?;
    status.into_iter().next().context("no status")
}

fn jobs(scene: &Scene) -> anyhow::Result<Vec<String>> {
    let status = status(scene)?;
    let jobs = at(&status, "jobs").as_array().context("no jobs")?;
    Ok(jobs.iter().map(|job| text(job, "id").to_owned()).collect())
}

/// What `sluice status` says of something that it enforces.
fn told(scene: &Scene, what: &str) -> anyhow::Result<String> {
    let status = status(scene)?;
    let lines = at(&status, "enforcement")
        .as_array()
        .context("no enforcement")?;
    let line = lines.iter().find(|line| text(line, "what") == what);
    Ok(line.map_or_else(String::new, |line| text(line, "detail").to_owned()))
}

/// The newest session that a job had with the server.
fn newest(scene: &Scene) -> anyhow::Result<Value> {
    let sessions = scene.world.sluice.sessions_of("http")?;
    sessions.into_iter().next_back().context("no session")
}

fn exes(session: &Value) -> Vec<String> {
    let chain = at(session, "lineage")
        .as_array()
        .cloned()
        .unwrap_or_default();
    chain
        .iter()
        .map(|exec| text(exec, "exe").to_owned())
        .collect()
}

/// No record of any session shows the secret.
fn is_masked(scene: &Scene) -> anyhow::Result<()> {
    for session in scene.world.sluice.sessions()? {
        let events = scene.world.sluice.events(&session)?;
        let shown = format!("{session} {events:?}");
        ensure!(!shown.contains(SECRET), "{shown}");
    }
    Ok(())
}

#[test]
fn a_job_goes_on_over_a_planned_restart() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("a_job_goes_on_over_a_planned_restart")? else {
        return Ok(());
    };
    let (job, mut lines) = with_secret(&scene, "/open")?;
    until(&mut lines, OPEN, 30)?;
    let (before, ids) = (newest(&scene)?, jobs(&scene)?);
    scene.stop_daemon()?;
    until(&mut lines, SHUT, 15)?;
    scene.daemon = scene.world.daemon()?;
    until(&mut lines, OPEN, 60)?;
    ensure!(jobs(&scene)? == ids && ids.len() == 1, "{ids:?}");
    let said = told(&scene, "jobs of before the start go on")?;
    ensure!(said.contains("with the lineage that was known"), "{said}");

    let after = newest(&scene)?;
    ensure!(text(&after, "id") != text(&before, "id"));
    ensure!(text(&after, "job.id") == ids[0], "{after}");
    ensure!(at(&after, "lineage_complete") == true, "{after}");
    ensure!(exes(&after) == exes(&before) && !exes(&after).is_empty());
    // What the kernel refused meanwhile is on record, as the job's.
    let sessions = scene.world.sluice.sessions()?;
    let refused = sessions
        .iter()
        .filter(|s| text(s, "verdict") == "deny" && text(s, "job.id") == ids[0]);
    ensure!(
        refused.count() > 0,
        "no refusal of the time without a daemon"
    );
    is_masked(&scene)?;
    stop(job)?;
    ensure!(jobs(&scene)?.is_empty(), "the new daemon does not end it");
    Ok(())
}

#[test]
fn after_a_crash_a_job_goes_on_with_what_the_kernel_knows() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("after_a_crash_a_job_goes_on_with_what_the_kernel_knows")?
    else {
        return Ok(());
    };
    let (strict, mut strict_lines) = with_secret(&scene, "/open")?;
    let (lenient, mut lenient_lines) = with_secret(&scene, "/any")?;
    until(&mut strict_lines, OPEN, 30)?;
    until(&mut lenient_lines, OPEN, 30)?;
    let ids = jobs(&scene)?;
    scene.daemon.kill();
    until(&mut lenient_lines, SHUT, 15)?;
    scene.daemon = scene.world.daemon()?;
    // Only a rule that says `lineage: any` opens to who is not known for certain.
    until(&mut lenient_lines, OPEN, 60)?;
    until(&mut strict_lines, FORBIDDEN, 60)?;
    ensure!(jobs(&scene)? == ids && ids.len() == 2, "{ids:?}");
    let said = told(&scene, "jobs of before the start go on")?;
    ensure!(said.contains("lineage: any"), "{said}");

    let after = newest(&scene)?;
    ensure!(ids.iter().any(|id| id == text(&after, "job.id")), "{after}");
    ensure!(at(&after, "lineage_complete") == false, "{after}");
    ensure!(text(&after["lineage"][0], "how") == "found", "{after}");
    is_masked(&scene)?;
    stop(strict)?;
    stop(lenient)?;
    ensure!(jobs(&scene)?.is_empty(), "the new daemon does not end them");
    Ok(())
}

#[test]
fn what_was_refused_to_a_job_that_ended_without_a_daemon_names_it() -> anyhow::Result<()> {
    let test = "what_was_refused_to_a_job_that_ended_without_a_daemon_names_it";
    let Some(mut scene) = Scene::or_skip(test)? else {
        return Ok(());
    };
    // At first the proxy's port is closed; a heartbeat later the kernel refuses, and tells.
    let script = format!(
        "asks() {{ curl -sS -m 5 -o /dev/null {}/open/; }}
         echo here; while asks; do sleep 0.1; done; sleep 2; asks || exit 0",
        web::url(&scene.web)
    );
    let (mut job, mut lines) = lines_of(scene.world.start_under_daemon(ALL, &script)?)?;
    until(&mut lines, "here", 30)?;
    let ids = jobs(&scene)?;
    scene.daemon.kill();
    job.wait()?;
    scene.daemon = scene.world.daemon()?;
    ensure!(jobs(&scene)?.is_empty(), "it goes on");
    let mut refused = scene.world.sluice.sessions()?;
    refused.retain(|session| text(session, "verdict") == "deny");
    ensure!(!refused.is_empty(), "nothing is on record");
    for session in &refused {
        ensure!(ids == [text(session, "job.id")], "{session}");
        let last = exes(session).pop();
        ensure!(last.is_some_and(|exe| exe.ends_with("/curl")), "{session}");
    }
    Ok(())
}

#[test]
fn a_job_that_a_restart_leaves_cannot_use_the_api() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("a_job_that_a_restart_leaves_cannot_use_the_api")? else {
        return Ok(());
    };
    let sluice = sluice_harness::binary()?;
    let state = scene.world.sluice.state();
    let asking = format!(
        "while :; do {} --state {} status >/dev/null 2>&1; echo $?; sleep 0.1; done",
        sluice.display(),
        state.display()
    );
    let (job, mut lines) = lines_of(scene.world.start_under_daemon(ALL, &asking)?)?;
    until(&mut lines, "1", 30)?;
    scene.daemon.kill();
    scene.daemon = scene.world.daemon()?;
    let said: Vec<String> = (&mut lines).take(10).collect::<std::io::Result<_>>()?;
    ensure!(said.iter().all(|code| code == "1"), "{said:?}");
    stop(job)
}

#[test]
fn a_job_whose_runner_was_killed_is_ended_once_nothing_of_it_lives() -> anyhow::Result<()> {
    let test = "a_job_whose_runner_was_killed_is_ended_once_nothing_of_it_lives";
    let Some(mut scene) = Scene::or_skip(test)? else {
        return Ok(());
    };
    let pipe = scene.world.sluice.scratch().path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU)?;
    let waiting = format!("echo up; cat {} >/dev/null", pipe.display());
    let (mut run, mut lines) = lines_of(scene.world.start_under_daemon(ALL, &waiting)?)?;
    until(&mut lines, "up", 1)?;
    run.kill()?;
    run.wait()?;
    // What it left goes on, under the gate; also under the next one.
    scene.stop_daemon()?;
    scene.daemon = scene.world.daemon()?;
    ensure!(jobs(&scene)?.len() == 1, "it lives, and is not known");
    drop(std::fs::OpenOptions::new().write(true).open(&pipe)?);
    let ended = wait_until(Duration::from_secs(30), || {
        jobs(&scene).is_ok_and(|jobs| jobs.is_empty())
    });
    ensure!(ended, "it stays admitted: {:?}", jobs(&scene)?);
    ensure!(sluice_e2e::job_cgroups().is_empty());
    Ok(())
}

#[test]
fn a_runner_is_the_same_job_however_often_the_daemon_starts() -> anyhow::Result<()> {
    let test = "a_runner_is_the_same_job_however_often_the_daemon_starts";
    let agent = Agent::named("restart");
    if sluice_harness::cannot_capture().is_none() {
        agent.appear()?;
    }
    let Some(mut scene) = Scene::with_config_or_skip(test, &agent.config())? else {
        return Ok(());
    };
    let (mut build, mut lines) = agent.start(&scene.asking("/any/x"))?;
    until(&mut lines, OPEN, 30)?;
    let ids = jobs(&scene)?;
    scene.stop_daemon()?;
    until(&mut lines, SHUT, 15)?;
    scene.daemon = scene.world.daemon()?;
    until(&mut lines, OPEN, 60)?;
    scene.daemon.kill();
    until(&mut lines, SHUT, 15)?;
    scene.daemon = scene.world.daemon()?;
    until(&mut lines, OPEN, 60)?;
    ensure!(jobs(&scene)? == ids && ids.len() == 1, "{ids:?}");
    ensure!(text(&newest(&scene)?, "job.id") == ids[0]);
    kill(Pid::from_raw(i32::try_from(build.id())?), Signal::SIGKILL)?;
    build.wait()?;
    Ok(())
}

#[test]
fn unloading_ends_the_jobs_that_go_on() -> anyhow::Result<()> {
    let Some(mut scene) = Scene::or_skip("unloading_ends_the_jobs_that_go_on")? else {
        return Ok(());
    };
    let (mut job, mut lines) = scene.connecting()?;
    until(&mut lines, OPEN, 30)?;
    scene.stop_daemon()?;
    until(&mut lines, SHUT, 15)?;
    scene.world.sluice.ask(&["daemon", "--unload"])?;
    // Not one connection of it goes out unseen.
    let rest: Vec<String> = lines.collect::<std::io::Result<_>>()?;
    ensure!(rest.iter().all(|line| line == SHUT), "{rest:?}");
    job.wait()?;
    ensure!(!scene.world.sluice.state().join("run").exists());
    Ok(())
}
