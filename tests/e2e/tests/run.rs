//! `sluice run`: what a job gets of it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sluice_e2e::{World, read_until, shown, text};
use sluice_harness::{Job, Nginx};

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
    a_lineage_has_its_names(session)?;
    events_have_their_names(&world.sluice.events(session)?)
}

fn a_lineage_has_its_names(session: &Value) -> anyhow::Result<()> {
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
    Ok(())
}

fn events_have_their_names(events: &[Value]) -> anyhow::Result<()> {
    for event in events {
        ensure!(event["seq"].is_u64() && event["at"].is_string(), "{event}");
    }
    ensure!(events.is_sorted_by_key(|event| event["seq"].as_u64()));
    let kinds: Vec<&str> = events.iter().map(|event| text(event, "kind")).collect();
    ensure!(
        kinds == ["opened", "operation", "verdict", "closed"],
        "{kinds:?}"
    );
    let asked = events.get(1).context("no operation")?;
    ensure!(
        asked["method"] == "GET" && asked["path"] == "/open" && asked["status"] == 200,
        "{asked}"
    );
    Ok(())
}
