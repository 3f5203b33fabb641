//! `sluice run`: what does not start, and what is left when it ends.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sluice_e2e::{World, has_ended, job_cgroups, read_until, shown, wait_until};
use sluice_harness::{Job, Nginx};

const OPEN: &str = "version: 1\nname: open\ndefault: allow\n";

const SHUT: &str = "version: 1\nname: shut\ndefault: deny\n";

fn world(test: &str) -> anyhow::Result<Option<World>> {
    World::or_skip(test, &["api.internal"])
}

/// Options, policy, what must be named in the error.
const BROKEN: [(&str, &[&str]); 6] = [
    (
        "version: 1\nname: x\ndefault: maybe\n",
        &["policy.yaml", "3:10", "maybe"],
    ),
    (
        "version: 1\nname: x\nrulez: []\n",
        &["policy.yaml", "3:1", "rulez", "rules"],
    ),
    (
        "version: 1\nname: x\nname: y\n",
        &["policy.yaml", "3:1", "name"],
    ),
    (
        "version: one\nname: x\n",
        &["policy.yaml", "1:10", "version"],
    ),
    ("version: 1\nname: x\nrules: [\n", &["policy.yaml", "3"]),
    (
        "version: 1\nname: x\nrules:\n  - name: r\n    what: { http: { methods: [GET] } }\n    then: allow\n",
        &["policy.yaml", "5:21", "methods", "method"],
    ),
];

#[test]
fn a_broken_policy_is_named_with_its_place_and_nothing_runs() -> anyhow::Result<()> {
    let Some(world) = world("a_broken_policy_is_named_with_its_place_and_nothing_runs")? else {
        return Ok(());
    };
    let trace = world.sluice.scratch().path().join("ran");
    let script = format!("touch {}", trace.display());
    for (policy, named) in BROKEN {
        let job = world.sluice.run(policy, &script)?;
        ensure!(job.status == 125, "{policy}: {}", shown(&job));
        for word in named {
            ensure!(
                job.stderr.contains(word),
                "{word} is not named: {}",
                job.stderr
            );
        }
        ensure!(!trace.exists(), "the job ran: {policy}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_started_is_125_and_nothing_runs() -> anyhow::Result<()> {
    let Some(world) = world("what_cannot_be_started_is_125_and_nothing_runs")? else {
        return Ok(());
    };
    let trace = world.sluice.scratch().path().join("ran");
    let touch = trace.display().to_string();
    let job = |options: &[&str], command: &[&str]| -> anyhow::Result<Job> {
        let mut run = world.sluice.command(&["run"])?;
        run.args(options).arg("--").args(command);
        Ok(Job::of(&run.output()?))
    };
    let bad_config = world.sluice.scratch().write("bad.toml", "thread = 1\n")?;
    let bad_config = bad_config.display().to_string();
    let cases: [(&[&str], &[&str], &[&str]); 6] = [
        (
            &["--policy", "/no/such/policy.yaml"],
            &["touch", &touch],
            &["/no/such/policy.yaml"],
        ),
        (
            &["--user", "nobody-of-that-name"],
            &["touch", &touch],
            &["nobody-of-that-name"],
        ),
        (&[], &["no-such-command-here"], &["no-such-command-here"]),
        (&[], &["/etc/passwd"], &["/etc/passwd"]),
        (
            &["--config", &bad_config],
            &["touch", &touch],
            &["bad.toml", "thread"],
        ),
        (
            &["--secret", "NO_SUCH_VARIABLE"],
            &["touch", &touch],
            &["NO_SUCH_VARIABLE"],
        ),
    ];
    for (options, command, named) in cases {
        let job = job(options, command)?;
        ensure!(
            job.status == 125,
            "{options:?} {command:?}: {}",
            shown(&job)
        );
        for word in named {
            ensure!(
                job.stderr.contains(word),
                "{word} is not named: {}",
                job.stderr
            );
        }
        ensure!(!trace.exists(), "the job ran: {options:?}");
    }
    ensure!(job_cgroups().is_empty(), "{:?}", job_cgroups());
    Ok(())
}

const EXPECTING: &str = "version: 1\nname: expecting\ndefault: deny\nrules:\n  - name: api\n    what: { host: api.internal, http: { path: \"/open\" } }\n    then: allow\n  \
    - name: telemetry\n    what: { http: { path: \"/telemetry\" } }\n    then: deny\n    expected: true\n";

#[test]
fn what_a_job_leaves_behind_is_killed() -> anyhow::Result<()> {
    let Some(world) = world("what_a_job_leaves_behind_is_killed")? else {
        return Ok(());
    };
    let note = world.sluice.scratch().path().join("pid");
    let script = format!(
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > {}; while :; do sleep 1; done' >/dev/null 2>&1 & while ! test -s {}; do sleep 0.02; done",
        note.display(),
        note.display()
    );
    let job = world.sluice.run(SHUT, &script)?;
    ensure!(job.status == 0, "{}", shown(&job));
    let pid = std::fs::read_to_string(&note)?;
    ensure!(has_ended(pid.trim()), "{pid} lives on");
    ensure!(job_cgroups().is_empty(), "{:?}", job_cgroups());
    Ok(())
}

/// Mounts below a directory.
fn mounts_below(directory: &std::path::Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let place = directory.display().to_string();
    mounts
        .lines()
        .filter(|line| line.contains(&place))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_second_run_on_the_same_state_works_and_nothing_stays_in_the_kernel() -> anyhow::Result<()> {
    let test = "a_second_run_on_the_same_state_works_and_nothing_stays_in_the_kernel";
    let Some(world) = world(test)? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let script = format!("curl -sS -m 20 http://api.internal:{}/open", web.port);
    for round in 1..=3 {
        let job = world.gated(EXPECTING, &script)?;
        ensure!(job.stdout == "hello\n", "{}", shown(&job));
        ensure!(world.sluice.sessions_of("http")?.len() == round);
        ensure!(job_cgroups().is_empty(), "{:?}", job_cgroups());
        let state = world.sluice.state();
        ensure!(
            mounts_below(&state).is_empty(),
            "{:?}",
            mounts_below(&state)
        );
        let pins = std::fs::read_dir(state.join("bpf")).map_or(0, Iterator::count);
        ensure!(pins == 0, "{pins} pins stay");
    }
    let after = world.direct(&script)?;
    ensure!(after.stdout == "hello\n", "{}", shown(&after));
    Ok(())
}

#[test]
fn a_second_job_does_not_hang_on_the_gate_of_the_first() -> anyhow::Result<()> {
    let Some(world) = world("a_second_job_does_not_hang_on_the_gate_of_the_first")? else {
        return Ok(());
    };
    let wait = ["sh", "-c", "echo ready; read x"];
    let mut first = world.sluice.run_command(OPEN, &["--quiet"], &wait)?;
    let mut child = first.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    read_until(child.stdout.as_mut().context("no stdout")?, "ready\n")?;
    let file = world.sluice.scratch().path().join("policy.yaml");
    let mut second = world.sluice.command(&["run", "--policy"])?;
    let second = Job::of(&second.arg(file).args(["--", "echo", "ran"]).output()?);
    drop(child.stdin.take());
    child.wait()?;
    // The first one's gate goes with its job: another job may not start behind it.
    ensure!(
        second.status == 125 && second.stdout.is_empty(),
        "{}",
        shown(&second)
    );
    ensure!(
        second.stderr.contains("sluice daemon"),
        "{}",
        shown(&second)
    );
    Ok(())
}

/// A gate that goes with its job takes the kernel side with it: what a killed one left must not
/// be free then.
#[test]
fn what_a_killed_run_left_is_refused_and_ended_by_the_next() -> anyhow::Result<()> {
    let Some(world) = world("what_a_killed_run_left_is_refused_and_ended_by_the_next")? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let note = world.sluice.scratch().path().join("note");
    let script = format!(
        "echo $$ > {0}; echo ready; while :; do curl -s -m 5 -o /dev/null http://127.9.9.9:{1}/; echo $? >> {0}; sleep 0.1; done",
        note.display(),
        web.port
    );
    let mut run = world
        .sluice
        .run_command(OPEN, &["--quiet"], &["sh", "-c", &script])?;
    let mut child = run.stdout(Stdio::piped()).spawn()?;
    read_until(child.stdout.as_mut().context("no stdout")?, "ready\n")?;
    child.kill()?;
    child.wait()?;
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(&note).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    // curl's 7: it could not connect.
    let refused = wait_until(Duration::from_secs(10), || {
        lines().iter().rev().take(3).all(|line| line == "7")
    });
    ensure!(refused, "{:?}", lines());
    let next = world.gated(OPEN, "echo next")?;
    ensure!(next.stdout == "next\n", "{}", shown(&next));
    let pid = lines().first().cloned().context("no pid")?;
    ensure!(has_ended(&pid), "it lives on, and is free");
    ensure!(job_cgroups().is_empty(), "{:?}", job_cgroups());
    ensure!(mounts_below(&world.sluice.state()).is_empty());
    Ok(())
}
