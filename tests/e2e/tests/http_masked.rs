//! HTTP/1.1: what is masked.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::web::{self, masked, url};
use sluice_e2e::{Script, World, shown};

/// A world with the server that says what it saw.
fn world(test: &str) -> anyhow::Result<Option<(World, Script)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let peer = web::serve(&world.sluice)?;
    Ok(Some((world, peer)))
}

const SECRETS: [&str; 4] = [
    "ada@example.com",
    "4111111111111111",
    "4111 1111 1111 1111",
    "ghp_a1B2",
];

#[test]
fn bodies_are_masked_in_every_coding_and_wherever_they_are_cut() -> anyhow::Result<()> {
    let Some((world, peer)) = world("bodies_are_masked_in_every_coding_and_wherever_they_are_cut")?
    else {
        return Ok(());
    };
    let (url, policy) = (url(&peer), masked());
    let mut bodies = Vec::new();
    for how in [
        "identity",
        "identity/1",
        "identity/7",
        "gzip",
        "gzip/1",
        "deflate",
        "br",
        "br/3",
        "zstd",
        "zstd/2",
    ] {
        let job = world.gated(
            &policy,
            &format!("curl -sS -m 20 --compressed -i {url}/open/customer/{how}"),
        )?;
        ensure!(job.status == 0, "{how}: {}", shown(&job));
        for secret in SECRETS {
            ensure!(
                !job.stdout.contains(secret),
                "{how} shows {secret}: {}",
                shown(&job)
            );
        }
        let (_, body) = job.stdout.split_once("\r\n\r\n").context("no body")?;
        let json: Value = serde_json::from_str(body).with_context(|| format!("{how}: {body}"))?;
        ensure!(json["name"] == "Ada" && json["id"] == 42, "{how}: {json}");
        bodies.push((how, json));
    }
    for (how, body) in &bodies {
        ensure!(
            Some(body) == bodies.first().map(|(_, body)| body),
            "{how}: {bodies:?}"
        );
    }
    let kept = world.sluice.ask(&["sessions", "list", "--json"])?;
    let sessions = world.sluice.sessions_of("http")?;
    ensure!(
        sessions.iter().all(|s| s["masked"].as_u64() >= Some(4)),
        "{kept}"
    );
    let log = std::process::Command::new("grep")
        .args([
            "-rlaF", "-e", SECRETS[0], "-e", SECRETS[1], "-e", SECRETS[2], "-e", SECRETS[3],
        ])
        .arg(world.sluice.state())
        .output()?;
    ensure!(
        log.stdout.is_empty(),
        "secrets are kept in {}",
        String::from_utf8_lossy(&log.stdout)
    );
    Ok(())
}

#[test]
fn what_cannot_be_decoded_on_a_masked_route_is_refused() -> anyhow::Result<()> {
    let Some((world, peer)) = world("what_cannot_be_decoded_on_a_masked_route_is_refused")? else {
        return Ok(());
    };
    let (url, policy) = (url(&peer), masked());
    for how in ["gzip", "coding", "bomb"] {
        let job = world.gated(
            &policy,
            &format!(
                "curl -sS -m 30 -w '\\n%{{http_code}}' {url}/open/broken/{how} | tail -c 2000"
            ),
        )?;
        ensure!(
            !job.stdout.contains("ada@example.com"),
            "{how}: {}",
            shown(&job)
        );
        let cut = job.stderr.contains("curl: (18)") || job.stderr.contains("curl: (56)");
        ensure!(job.stdout.contains("502") || cut, "{how}: {}", shown(&job));
    }
    let events = world.events_of("http")?;
    let refused = events
        .iter()
        .filter(|e| e["kind"] == "refused" && e["cause"] == "undecodable");
    ensure!(refused.count() == 3, "{events:?}");
    Ok(())
}

/// The secret that the job was given, in the forms in which it comes back.
#[test]
fn the_jobs_own_secrets_do_not_come_back() -> anyhow::Result<()> {
    let Some((world, peer)) = world("the_jobs_own_secrets_do_not_come_back")? else {
        return Ok(());
    };
    let secret = "s3cr3t/of the+build-9f8e7d";
    let script = format!(
        "curl -sS -m 20 -H \"X-Plain: $TOKEN\" '{}/open/echo'",
        url(&peer)
    );
    let policy = masked();
    let mut run = world.sluice.run_command(
        &policy,
        &["--quiet", "--secret", "TOKEN"],
        &["sh", "-c", &script],
    )?;
    let job = sluice_harness::Job::of(&run.env("TOKEN", secret).output()?);
    ensure!(
        job.stdout.contains("x-plain: ") && !job.stdout.contains(secret),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn shadow_changes_nothing_and_records_what_would_be() -> anyhow::Result<()> {
    let Some((world, peer)) = world("shadow_changes_nothing_and_records_what_would_be")? else {
        return Ok(());
    };
    let policy = format!("{}mode: shadow\n", masked());
    let url = url(&peer);
    let job = world.same(&policy, &format!("curl -sS -m 20 -i {url}/secret; curl -sS -m 20 -i {url}/open/customer/gzip/3 | sha256sum"))?;
    ensure!(job.stdout.contains("GET /secret"), "{}", shown(&job));
    let events = world.events_of("http")?;
    let would: Vec<&Value> = events
        .iter()
        .filter(|e| e["because"]["would_be"] == "deny")
        .collect();
    ensure!(would.len() == 1, "{events:?}");
    Ok(())
}
