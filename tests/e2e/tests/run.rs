//! `sluice run`: what a job gets of it, and what it leaves behind.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice_e2e::{World, job_cgroups, shown, text, wait_until};
use sluice_harness::{Job, Nginx};

const OPEN: &str = "version: 1\nname: open\ndefault: allow\n";
const SHUT: &str = "version: 1\nname: shut\ndefault: deny\n";

fn world(test: &str) -> anyhow::Result<Option<World>> {
    World::or_skip(test, &["api.internal"])
}

#[test]
fn the_exit_status_is_the_jobs() -> anyhow::Result<()> {
    let Some(world) = world("the_exit_status_is_the_jobs")? else {
        return Ok(());
    };
    for script in [
        "exit 0",
        "exit 7",
        "kill -TERM $$",
        "kill -KILL $$",
        "exit 125",
    ] {
        let job = world.sluice.run(SHUT, script)?;
        let direct = world.direct(script)?;
        ensure!(job.status == direct.status, "{script}: {}", shown(&job));
    }
    Ok(())
}

#[test]
fn streams_are_passed_through_byte_for_byte() -> anyhow::Result<()> {
    let Some(world) = world("streams_are_passed_through_byte_for_byte")? else {
        return Ok(());
    };
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(1 << 20)
    .collect();
    let mut run =
        world
            .sluice
            .run_command(SHUT, &["--quiet"], &["sh", "-c", "cat; echo end >&2"])?;
    let mut child = run
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output()?;
    writer.join().expect("the writer panicked")?;
    ensure!(
        output.stdout == bytes,
        "{} bytes came back",
        output.stdout.len()
    );
    ensure!(
        output.stderr == b"end\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn signals_reach_the_job() -> anyhow::Result<()> {
    let Some(world) = world("signals_reach_the_job")? else {
        return Ok(());
    };
    let script = "trap 'echo told; exit 9' TERM; trap 'echo again' HUP; echo ready; while :; do sleep 0.05; done";
    let mut run = world
        .sluice
        .run_command(SHUT, &["--quiet"], &["sh", "-c", script])?;
    let mut child = run.stdout(Stdio::piped()).spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let mut out = child.stdout.take().context("no stdout")?;
    read_until(&mut out, "ready\n")?;
    kill(pid, Signal::SIGHUP)?;
    read_until(&mut out, "again\n")?;
    kill(pid, Signal::SIGTERM)?;
    read_until(&mut out, "told\n")?;
    ensure!(child.wait()?.code() == Some(9));
    Ok(())
}

fn read_until(from: &mut impl std::io::Read, line: &str) -> anyhow::Result<()> {
    let mut seen = String::new();
    for byte in from.bytes() {
        seen.push(char::from(byte?));
        if seen.ends_with(line) {
            return Ok(());
        }
    }
    anyhow::bail!("it ended before {line:?}: {seen:?}")
}

#[test]
fn a_terminal_is_the_jobs() -> anyhow::Result<()> {
    let Some(world) = world("a_terminal_is_the_jobs")? else {
        return Ok(());
    };
    let run = world.sluice.run_command(
        SHUT,
        &["--quiet"],
        &[
            "sh",
            "-c",
            "test -t 0 && test -t 1 && test -t 2 && tty && stty size < /dev/tty && exit 5",
        ],
    )?;
    let words: Vec<String> = std::iter::once(run.get_program())
        .chain(run.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let output = Command::new("script")
        .args(["-q", "-e", "-c", &words.join(" "), "/dev/null"])
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        sluice_harness::skipped("a_terminal_is_the_jobs", "script(1) is not installed");
        return Ok(());
    };
    let job = Job::of(&output);
    ensure!(
        job.status == 5 && job.stdout.contains("/dev/pts/"),
        "{}",
        shown(&job)
    );
    Ok(())
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

const FOR_MAIN: &str = "version: 1\nname: for-main\napplies_to: { repository: [acme/web], ref: \"refs/heads/**\" }\n\
    default: deny\nrules:\n  - name: api\n    what: { host: api.internal, http: { method: [GET] } }\n    then: allow\n";

#[test]
fn labels_choose_policies() -> anyhow::Result<()> {
    let Some(world) = world("labels_choose_policies")? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let curl = format!("curl -sS -m 20 http://api.internal:{}/", web.port);
    for (labels, passes) in [
        (&["repository=acme/web", "ref=refs/heads/main"][..], true),
        (&["repository=acme/web", "ref=refs/tags/v1"], false),
        (&["repository=acme/other", "ref=refs/heads/main"], false),
        (&["repository=acme/web"], false),
        (&[], false),
    ] {
        let mut options = vec!["--quiet"];
        labels
            .iter()
            .for_each(|label| options.extend(["--set", label]));
        let job = world
            .sluice
            .run_with(FOR_MAIN, &options, &["sh", "-c", &curl])?;
        ensure!(
            (job.stdout == "hello\n") == passes,
            "{labels:?}: {}",
            shown(&job)
        );
    }
    let sessions = world.sluice.sessions_of("http")?;
    let session = sessions.first().context("no session")?;
    ensure!(
        text(session, "job.labels.ref") == "refs/heads/main",
        "{session}"
    );
    Ok(())
}

const EXPECTING: &str = "version: 1\nname: expecting\ndefault: deny\nrules:\n  - name: api\n    what: { host: api.internal, http: { path: \"/open\" } }\n    then: allow\n  \
    - name: telemetry\n    what: { http: { path: \"/telemetry\" } }\n    then: deny\n    expected: true\n";

#[test]
fn only_an_unexpected_refusal_fails_the_job_and_only_where_asked() -> anyhow::Result<()> {
    let Some(world) = world("only_an_unexpected_refusal_fails_the_job_and_only_where_asked")?
    else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let curl = |path: &str| {
        format!(
            "curl -sS -m 20 -o /dev/null http://api.internal:{}{path}",
            web.port
        )
    };
    for (options, path, end, status) in [
        (&["--fail-on-deny"][..], "/open", "", 0),
        (&["--fail-on-deny"], "/telemetry", "", 0),
        (&["--fail-on-deny"], "/secret", "", 1),
        (&["--fail-on-deny"], "/secret", "; exit 9", 9),
        (&[], "/secret", "", 0),
    ] {
        let job = world.sluice.run_with(
            EXPECTING,
            options,
            &["sh", "-c", &format!("{}{end}", curl(path))],
        )?;
        ensure!(
            job.status == status,
            "{options:?} {path}{end}: {}",
            shown(&job)
        );
    }
    Ok(())
}

#[test]
fn the_summary_is_on_stderr_and_in_the_files_asked_for() -> anyhow::Result<()> {
    let Some(world) = world("the_summary_is_on_stderr_and_in_the_files_asked_for")? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let script = format!("curl -sS -m 20 http://api.internal:{}/secret", web.port);
    let file = world.sluice.scratch().path().join("summary.md");
    let step = world.sluice.scratch().write("step.md", "before\n")?;
    let named = file.display().to_string();
    let options = ["--name", "nightly", "--summary", &named];
    let mut run = world
        .sluice
        .run_command(EXPECTING, &options, &["sh", "-c", &script])?;
    let job = Job::of(&run.env("GITHUB_STEP_SUMMARY", &step).output()?);
    for part in [
        "sluice: nightly",
        "refused",
        "expecting/default",
        "/secret",
        "sluice policy explain",
    ] {
        ensure!(job.stderr.contains(part), "{part}: {}", shown(&job));
    }
    let markdown = std::fs::read_to_string(&file)?;
    for part in [
        "### sluice",
        "| destination |",
        "GET /secret",
        "expecting/default",
    ] {
        ensure!(markdown.contains(part), "{part}: {markdown}");
    }
    let step = std::fs::read_to_string(&step)?;
    ensure!(
        step.starts_with("before\n") && step.contains("### sluice"),
        "{step}"
    );
    Ok(())
}

#[test]
fn the_job_runs_as_the_user_asked_for() -> anyhow::Result<()> {
    let Some(world) = world("the_job_runs_as_the_user_asked_for")? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let script = format!(
        "id -un; id -G; cd /; curl -sS -m 20 http://api.internal:{}/open",
        web.port
    );
    let job = world.sluice.run_with(
        EXPECTING,
        &["--quiet", "--user", "nobody"],
        &["sh", "-c", &script],
    )?;
    ensure!(job.stdout == "nobody\n65534\nhello\n", "{}", shown(&job));
    let sessions = world.sluice.sessions_of("http")?;
    let lineage = sessions
        .first()
        .and_then(|s| s.get("lineage"))
        .and_then(|l| l.as_array());
    let last = lineage.and_then(|l| l.last()).context("no lineage")?;
    ensure!(
        last["uid"] == 65534 && last["exe"] == "/usr/bin/curl" && last["cwd"] == "/",
        "{last}"
    );
    Ok(())
}

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
    let gone = wait_until(Duration::from_secs(5), || {
        !std::path::Path::new("/proc").join(pid.trim()).exists()
    });
    ensure!(gone, "{pid} lives on");
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

#[test]
fn a_session_has_the_names_that_others_script_against() -> anyhow::Result<()> {
    let Some(world) = world("a_session_has_the_names_that_others_script_against")? else {
        return Ok(());
    };
    let web = Nginx::start(
        world.sluice.scratch(),
        "location / { return 200 'hello\\n'; }",
    )?;
    let script = format!(
        "sh -c 'curl -sS -m 20 http://api.internal:{}/open; true'",
        web.port
    );
    let options = [
        "--quiet",
        "--name",
        "nightly",
        "--set",
        "ref=refs/heads/main",
    ];
    let job = world
        .sluice
        .run_with(EXPECTING, &options, &["sh", "-c", &script])?;
    ensure!(job.stdout == "hello\n", "{}", shown(&job));
    let sessions = world.sluice.sessions_of("http")?;
    let session = sessions.first().context("no session")?;
    for key in [
        "id",
        "job",
        "opened",
        "closed",
        "protocol",
        "destination",
        "verdict",
        "rules",
        "bytes_up",
        "bytes_down",
        "lineage",
        "lineage_complete",
    ] {
        ensure!(!session[key].is_null(), "{key} is missing: {session}");
    }
    ensure!(
        session["job"]["name"] == "nightly" && session["job"]["id"].is_string(),
        "{session}"
    );
    ensure!(
        session["job"]["labels"]["ref"] == "refs/heads/main",
        "{session}"
    );
    ensure!(session["destination"]["ip"] == "127.9.9.9", "{session}");
    ensure!(session["destination"]["port"] == web.port, "{session}");
    ensure!(
        session["destination"]["host"] == "api.internal",
        "{session}"
    );
    ensure!(
        session["verdict"] == "allow" && session["lineage_complete"] == true,
        "{session}"
    );
    ensure!(session["bytes_up"].as_u64() > Some(50) && session["bytes_down"].as_u64() > Some(50));
    let lineage = session["lineage"].as_array().context("no lineage")?;
    for exec in lineage {
        for key in ["pid", "exe", "argv", "cwd", "uid", "started", "how"] {
            ensure!(!exec[key].is_null(), "{key} is missing: {exec}");
        }
    }
    let exes: Vec<&str> = lineage.iter().map(|exec| text(exec, "exe")).collect();
    ensure!(
        exes.ends_with(&["/usr/bin/curl"]) && exes.len() >= 3,
        "{exes:?}"
    );
    let events = world.sluice.events(session)?;
    for event in &events {
        ensure!(event["seq"].is_u64() && event["at"].is_string(), "{event}");
    }
    ensure!(events.is_sorted_by_key(|event| event["seq"].as_u64()));
    let kinds: Vec<&str> = events.iter().map(|event| text(event, "kind")).collect();
    ensure!(
        kinds == ["opened", "operation", "verdict", "closed"],
        "{kinds:?}"
    );
    let asked = &events[1];
    ensure!(
        asked["method"] == "GET" && asked["path"] == "/open" && asked["status"] == 200,
        "{asked}"
    );
    Ok(())
}
