//! Runners whose cgroups come and go while the daemon runs.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::agent::Agent;
use sluice_e2e::scene::{OPEN, Scene, until};
use sluice_e2e::{at, text};

const FORBIDDEN: &str = "HTTP/1.1 403";

/// What `sluice status` says of the runner: whether it is enforced, and how that is known.
fn told(scene: &Scene) -> anyhow::Result<(bool, String)> {
    let status = status(scene)?;
    let lines = at(&status, "enforcement").as_array();
    let mut lines = lines.context("no enforcement")?.iter();
    let line = lines.find(|line| text(line, "what") == "runner agent");
    let line = line.context("no word of the runner")?;
    Ok((
        at(line, "enforced") == true,
        text(line, "detail").to_owned(),
    ))
}

fn status(scene: &Scene) -> anyhow::Result<Value> {
    let status = scene.world.sluice.ask_json(&["status", "--json"])?;
    status.into_iter().next().context("no status")
}

/// The job of the newest session.
fn newest_job(scene: &Scene) -> anyhow::Result<String> {
    let sessions = scene.world.sluice.sessions_of("http")?;
    let newest = sessions.last().context("no session")?;
    Ok(text(newest, "job.id").to_owned())
}

/// A process that starts in the agent's cgroup now is refused what nobody allowed it.
///
/// The daemon is not asked for its state before: it must have seen by itself that the cgroup is
/// there. `at_most` lines may be said before it has.
fn is_taken_in(scene: &Scene, agent: &Agent, at_most: usize) -> anyhow::Result<String> {
    let (mut build, mut lines) = agent.start(&scene.asking("/secret"))?;
    until(&mut lines, FORBIDDEN, at_most)?;
    build.kill()?;
    build.wait()?;
    newest_job(scene)
}

#[test]
fn a_runner_that_comes_again_is_taken_in_as_the_same_job() -> anyhow::Result<()> {
    let test = "a_runner_that_comes_again_is_taken_in_as_the_same_job";
    let agent = Agent::named("comes-again");
    let Some(mut scene) = Scene::with_config_or_skip(test, &agent.config())? else {
        return Ok(());
    };
    // It is not there when the daemon starts, nor is the cgroup that it will be in.
    let (enforced, detail) = told(&scene)?;
    ensure!(!enforced && detail.contains("when it comes"), "{detail}");
    let mut jobs = Vec::new();
    for turn in 0..3 {
        agent.appear()?;
        jobs.push(is_taken_in(&scene, &agent, 30)?);
        jobs.push(is_taken_in(&scene, &agent, 1)?);
        let (enforced, detail) = told(&scene)?;
        ensure!(enforced && detail.contains(&agent.name), "{detail}");
        let (mut build, mut lines) = agent.start(&scene.asking("/any/x"))?;
        until(&mut lines, OPEN, 1)?;
        // Once it goes while no daemon looks.
        if turn == 1 {
            scene.stop_daemon()?;
        }
        agent.vanish()?;
        build.wait()?;
        if turn == 1 {
            scene.daemon = scene.world.daemon()?;
        }
        let (enforced, detail) = told(&scene)?;
        ensure!(!enforced && detail.contains("when it comes"), "{detail}");
    }
    let same = jobs.iter().all(|job| *job == jobs[0] && !job.is_empty());
    ensure!(same && jobs.len() == 6, "{jobs:?}");
    Ok(())
}

#[test]
fn what_comes_below_a_runner_is_enforced_from_its_first_instruction() -> anyhow::Result<()> {
    let test = "what_comes_below_a_runner_is_enforced_from_its_first_instruction";
    let agent = Agent::named("slice");
    let slice = agent.name.trim_end_matches("/agent");
    let config = format!("[[runner]]\nname = \"agent\"\ncgroup = \"/{slice}\"\n");
    if sluice_harness::cannot_capture().is_none() {
        agent.appear()?;
        agent.vanish()?;
    }
    let Some(scene) = Scene::with_config_or_skip(test, &config)? else {
        return Ok(());
    };
    let mut jobs = Vec::new();
    for _ in 0..3 {
        agent.appear()?;
        jobs.push(is_taken_in(&scene, &agent, 1)?);
        // It came in while we looked, so that all of it is known: rules need not say otherwise.
        let (mut build, mut lines) = agent.start(&scene.asking("/open/x"))?;
        until(&mut lines, OPEN, 1)?;
        build.kill()?;
        build.wait()?;
        agent.vanish()?;
    }
    ensure!(jobs.iter().all(|job| *job == jobs[0]), "{jobs:?}");
    Ok(())
}
