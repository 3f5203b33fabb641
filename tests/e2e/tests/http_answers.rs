//! HTTP/1.1: answers that rules and masks are about, by their status.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::web::POLICY;
use sluice_e2e::{World, at, shown, text};
use sluice_harness::Nginx;

/// A world with an nginx that answers by its paths, and where jobs find it.
fn world(test: &str) -> anyhow::Result<Option<(World, Nginx, String)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let page = |path: &str, status: u16| {
        format!("location = /open/{path} {{ return {status} 'ask ada@example.com ({path})'; }}\n")
    };
    let pages = [page("found", 200), page("missing", 404), page("down", 503)].concat();
    let files = world.sluice.scratch().path().join("files");
    std::fs::create_dir_all(files.join("open"))?;
    std::fs::write(files.join("open/file"), "0123456789 ada@example.com")?;
    let block = format!("root {}; {pages}", files.display());
    let nginx = Nginx::start(world.sluice.scratch(), &block)?;
    let url = format!("http://api.internal:{}/open", nginx.port);
    Ok(Some((world, nginx, url)))
}

const NO_ERRORS: &str = "  - name: no-error-pages
    what: { http: { status: 5xx } }
    then: deny
    message: the server is down, try later
";

/// What curl shows of answers, without their date.
fn shows(urls: &str) -> String {
    format!("curl -sS -i -m 20 {urls} | grep -v ^Date:")
}

/// The verdicts on answers, in their order.
fn of_answers(events: &[Value]) -> Vec<(u64, &str, &str)> {
    let verdicts = events.iter().filter(|event| event["kind"] == "verdict");
    verdicts
        .filter_map(|event| {
            let status = event["status"].as_u64()?;
            Some((
                status,
                text(event, "verdict"),
                text(event, "because.would_be"),
            ))
        })
        .collect()
}

#[test]
fn an_answer_that_a_rule_refuses_does_not_reach_the_job() -> anyhow::Result<()> {
    let Some((world, _nginx, url)) = world("an_answer_that_a_rule_refuses_does_not_reach_the_job")?
    else {
        return Ok(());
    };
    let policy = format!("{POLICY}{NO_ERRORS}");
    world.same(&policy, &shows(&format!("{url}/found {url}/missing")))?;
    let direct = world.direct(&format!("curl -sS -m 20 {url}/down"))?;
    ensure!(
        direct.stdout == "ask ada@example.com (down)",
        "{}",
        shown(&direct)
    );
    let script = format!(
        "curl -sS -i -m 20 {url}/found {url}/down {url}/found; curl -sS -I -m 20 {url}/down"
    );
    let job = world.gated(&policy, &script)?;
    let heads = job.stdout.split("HTTP/1.1 ").skip(1);
    let statuses: Vec<&str> = heads.filter_map(|head| head.split(' ').next()).collect();
    ensure!(statuses == ["200", "403", "200", "403"], "{}", shown(&job));
    for said in [
        "X-Sluice-Refused: web/no-error-pages",
        "the server is down, try later",
    ] {
        ensure!(job.stdout.contains(said), "{said}: {}", shown(&job));
    }
    ensure!(!job.stdout.contains("(down)"), "{}", shown(&job));
    is_on_record(&world)
}

/// The verdict on the refused answer, the refusal, and what explains them.
fn is_on_record(world: &World) -> anyhow::Result<()> {
    let sessions = world.sluice.sessions_of("http")?;
    let session = sessions
        .iter()
        .find(|session| session["operations"] == 2 && session["verdict"] == "deny")
        .with_context(|| format!("{sessions:?}"))?;
    ensure!(
        session["refused"] == 1 && session["outcome"] == "refused",
        "{session}"
    );
    let events = world.sluice.events(session)?;
    ensure!(
        of_answers(&events) == [(200, "allow", ""), (503, "deny", "")],
        "{events:?}"
    );
    let refused = events.iter().find(|event| event["kind"] == "refused");
    let rules = refused.map(|event| at(event, "rules").to_string());
    ensure!(
        rules.is_some_and(|rules| rules.contains("\"no-error-pages\"")),
        "{events:?}"
    );
    let asked = events.iter().rfind(|event| event["kind"] == "operation");
    ensure!(
        asked.is_some_and(|asked| asked["path"] == "/open/down" && asked["status"] == 503),
        "{events:?}"
    );
    let id = text(session, "id");
    let why = world.sluice.ask(&["policy", "explain", id])?;
    for said in [
        "the answer 503 to GET /open/down",
        "deny    web/no-error-pages: matches",
        "its answer is judged",
    ] {
        ensure!(why.contains(said), "{said}: {why}");
    }
    ensure!(!why.contains("recorded is"), "{why}");
    let shown = world.sluice.ask(&["sessions", "show", id])?;
    ensure!(
        shown.contains("the answer 503 by web/no-error-pages"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn shadow_tells_what_would_be_of_an_answer_and_changes_nothing() -> anyhow::Result<()> {
    let Some((world, _nginx, url)) =
        world("shadow_tells_what_would_be_of_an_answer_and_changes_nothing")?
    else {
        return Ok(());
    };
    let policy = format!("{POLICY}{NO_ERRORS}    mode: shadow\n");
    world.same(&policy, &shows(&format!("{url}/down")))?;
    let events = world.events_of("http")?;
    ensure!(
        of_answers(&events) == [(503, "allow", "deny")],
        "{events:?}"
    );
    ensure!(
        events.iter().all(|event| event["kind"] != "refused"),
        "{events:?}"
    );
    Ok(())
}

#[test]
fn a_mask_by_status_masks_there_only() -> anyhow::Result<()> {
    let Some((world, _nginx, url)) = world("a_mask_by_status_masks_there_only")? else {
        return Ok(());
    };
    let policy = format!(
        "{POLICY}mask:\n  - name: who\n    what: {{ http: {{ status: [404, 5xx] }} }}\n    detect: [email]\n"
    );
    // A part of a file is not asked for as a whole: no answer with it has to be masked.
    for request in ["/found", "/file -r 0-4"] {
        world.same(&policy, &shows(&format!("{url}{request}")))?;
    }
    for path in ["missing", "down"] {
        let job = world.gated(&policy, &format!("curl -sS -m 20 {url}/{path}"))?;
        ensure!(
            job.stdout.ends_with(&format!("({path})")) && !job.stdout.contains("ada@example.com"),
            "{}",
            shown(&job)
        );
    }
    let masked: Vec<Option<u64>> = world
        .sluice
        .sessions_of("http")?
        .iter()
        .map(|session| session["masked"].as_u64())
        .collect();
    ensure!(masked == [0, 0, 1, 1].map(Some), "{masked:?}");
    Ok(())
}

#[test]
fn what_only_some_answers_are_allowed_is_refused_the_others() -> anyhow::Result<()> {
    let Some((world, _nginx, url)) =
        world("what_only_some_answers_are_allowed_is_refused_the_others")?
    else {
        return Ok(());
    };
    let policy = "version: 1\nname: web\ndefault: deny\nrules:\n  - name: found\n    what: { host: api.internal, http: { method: [GET], status: 2xx } }\n    then: allow\n";
    world.same(policy, &shows(&format!("{url}/found")))?;
    let job = world.gated(policy, &format!("curl -sS -m 20 {url}/missing"))?;
    ensure!(
        job.stdout.starts_with(
            "sluice: refused by web/default: no rule allows the answer 404 to GET /open/missing"
        ),
        "{}",
        shown(&job)
    );
    Ok(())
}
