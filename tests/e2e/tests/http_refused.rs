//! HTTP/1.1: what is refused, and what servers do wrong.

use anyhow::{Context as _, ensure};
use sluice_e2e::web::{self, POLICY, url};
use sluice_e2e::{Script, World, python, shown};
use sluice_harness::{Nginx, REMOTE, free_port};

/// A world with the server that says what it saw.
fn world(test: &str) -> anyhow::Result<Option<(World, Script)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let peer = web::serve(&world.sluice)?;
    Ok(Some((world, peer)))
}

const NEVER: &str = "  - name: never
    what: { http: { path: \"/open/never/**\" } }
    then: deny
    message: ask in the channel of the web team
";

/// What curl is refused, with what the answer must say.
#[test]
fn what_no_rule_allows_is_refused_in_words() -> anyhow::Result<()> {
    let Some((world, peer)) = world("what_no_rule_allows_is_refused_in_words")? else {
        return Ok(());
    };
    let url = url(&peer);
    for (request, statuses, said) in [
        (format!("-X DELETE {url}/open/x"), &[403][..], "web/default"),
        (format!("{url}/secret"), &[403], "GET /secret"),
        (
            format!("{url}/open/../secret --path-as-is"),
            &[403, 400],
            "sluice",
        ),
        (
            format!("{url}/open/%2e%2e/secret --path-as-is"),
            &[403, 400],
            "sluice",
        ),
        (
            format!("{url}/open/never/this"),
            &[403],
            "ask in the channel of the web team",
        ),
        (
            format!("-H 'Host: evil.internal' {url}/open/x"),
            &[421, 403],
            "evil.internal",
        ),
        (
            format!("-H 'Host: evil.internal' {url}/secret"),
            &[421, 403],
            "evil.internal",
        ),
        (
            format!("-d @/etc/passwd -X PATCH {url}/open/x"),
            &[403],
            "PATCH /open/x",
        ),
        (
            format!("-x {url} http://api.internal/open/x -p"),
            &[403, 400],
            "CONNECT",
        ),
    ] {
        let script = format!("curl -sS -m 20 -w '\\n%{{http_code}} %{{http_connect}}' {request}");
        let job = world.gated(&format!("{POLICY}{NEVER}"), &script)?;
        let refused = statuses.iter().any(|status| {
            job.stdout.contains(&status.to_string()) || job.stderr.contains(&status.to_string())
        });
        ensure!(refused, "{request}: {}", shown(&job));
        ensure!(
            job.stdout.contains(said) || said == "CONNECT",
            "{request}: {}",
            shown(&job)
        );
        ensure!(!job.stdout.contains("api.internal:0"), "{}", shown(&job));
    }
    let sessions = world.sluice.sessions_of("http")?;
    ensure!(
        sessions
            .iter()
            .all(|s| s["verdict"] == "deny" && s["refused"].as_u64() > Some(0)),
        "{sessions:?}"
    );
    Ok(())
}

/// An address that has no name is not the host of a rule.
#[test]
fn an_address_without_a_name_is_no_host() -> anyhow::Result<()> {
    let Some((world, _peer)) = world("an_address_without_a_name_is_no_host")? else {
        return Ok(());
    };
    let web = Nginx::start_with(world.sluice.scratch(), |port| {
        format!(
            "http {{ server {{ listen 127.9.9.8:{port}; listen {REMOTE}:{port}; location / {{ return 200 'hello'; }} }} }}\n"
        )
    })?;
    for host in ["127.9.9.8", "api.internal"] {
        let script = format!(
            "curl -sS -m 20 -w ' %{{http_code}}' -H 'Host: {host}' http://127.9.9.8:{}/open/x",
            web.port
        );
        let direct = world.direct(&script)?;
        ensure!(direct.stdout == "hello 200", "{}", shown(&direct));
        let job = world.gated(POLICY, &script)?;
        ensure!(!job.stdout.contains("hello"), "{}", shown(&job));
        ensure!(
            job.stdout.contains("403") || job.stdout.contains("421"),
            "{}",
            shown(&job)
        );
    }
    Ok(())
}

/// Raw bytes of a client, and the status of the answer.
const MALFORMED: [(&str, &str); 14] = [
    ("GET / HTTP/1.1\\nHost: H\\n\\n", "400"),
    (
        "GET / HTTP/1.1\\r\\nHost: H\\r\\nHost: H\\r\\n\\r\\n",
        "400",
    ),
    ("GET / HTTP/1.1\\r\\n\\r\\n", "400"),
    ("GET / HTTP/1.1\\r\\nHost : H\\r\\n\\r\\n", "400"),
    (
        "GET / HTTP/1.1\\r\\nHost: H\\r\\nX: 1\\r\\n folded\\r\\n\\r\\n",
        "400",
    ),
    (
        "POST / HTTP/1.1\\r\\nHost: H\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n",
        "400",
    ),
    (
        "POST / HTTP/1.1\\r\\nHost: H\\r\\nContent-Length: 3\\r\\nContent-Length: 3\\r\\n\\r\\nabc",
        "400",
    ),
    (
        "POST / HTTP/1.1\\r\\nHost: H\\r\\nContent-Length: +3\\r\\n\\r\\nabc",
        "400",
    ),
    (
        "POST / HTTP/1.1\\r\\nHost: H\\r\\nTransfer-Encoding: gzip, chunked\\r\\n\\r\\n",
        "400",
    ),
    ("GET /a b HTTP/1.1\\r\\nHost: H\\r\\n\\r\\n", "400 505"),
    (
        "GET / HTTP/1.1\\r\\nHost: H\\r\\nX: a\\x00b\\r\\n\\r\\n",
        "400",
    ),
    ("GET / HTTP/3.0\\r\\nHost: H\\r\\n\\r\\n", "505 400"),
    (
        "CONNECT evil.internal:443 HTTP/1.1\\r\\nHost: evil.internal:443\\r\\n\\r\\n",
        "403 400 421",
    ),
    (
        "GET / HTTP/1.1\\r\\nHost: H\\r\\n' + 'X: ' + 'v' * 200000 + '\\r\\n\\r\\n",
        "431 413",
    ),
];

#[test]
fn malformed_requests_are_refused_and_recorded() -> anyhow::Result<()> {
    let Some((world, peer)) = world("malformed_requests_are_refused_and_recorded")? else {
        return Ok(());
    };
    for (bytes, statuses) in MALFORMED {
        let bytes = bytes.replace("Host: H", &format!("Host: api.internal:{}", peer.port));
        let script = format!(
            "{} -c \"import socket
s = socket.create_connection(('api.internal', {}), 20)
try:
    s.sendall(('{bytes}').encode())
except OSError:
    pass
print(s.recv(4096).decode())\"",
            python().display(),
            peer.port
        );
        let open = "version: 1\nname: open\ndefault: deny\nrules:\n  - name: all\n    what: { host: api.internal, protocol: http }\n    then: allow\n";
        let job = world.gated(open, &script)?;
        let found = job.stdout.split(' ').nth(1).unwrap_or_default();
        ensure!(
            !found.is_empty() && statuses.contains(found),
            "{bytes}: {}",
            shown(&job)
        );
        let sessions = world.sluice.sessions()?;
        let last = sessions
            .iter()
            .rfind(|s| s["protocol"] != "dns")
            .context("no session")?;
        ensure!(
            last["refused"].as_u64() > Some(0) && last["verdict"] == "deny",
            "{bytes}: {last}"
        );
    }
    Ok(())
}

#[test]
fn servers_that_fail_are_told_in_words() -> anyhow::Result<()> {
    let Some((world, peer)) = world("servers_that_fail_are_told_in_words")? else {
        return Ok(());
    };
    let closed = free_port(REMOTE)?;
    let job = world.gated(
        POLICY,
        &format!("curl -sS -m 20 -w ' %{{http_code}}' http://api.internal:{closed}/open/x"),
    )?;
    ensure!(
        job.stdout.contains("502") && job.stdout.contains("refused"),
        "{}",
        shown(&job)
    );
    let url = url(&peer);
    // The gate resets: a body that ends with its connection must not pass for complete.
    let early = format!("curl -s -m 20 {url}/open/broken/early");
    let (direct, gated) = (world.direct(&early)?, world.gated(POLICY, &early)?);
    ensure!(
        direct.stdout == "only this" && direct.status == 18,
        "{}",
        shown(&direct)
    );
    ensure!(
        gated.stdout == "only this" && [18, 56].contains(&gated.status),
        "{}",
        shown(&gated)
    );
    for how in ["nonsense", "nothing", "smuggle"] {
        let job = world.gated(
            POLICY,
            &format!("curl -sS -m 20 -w ' %{{http_code}}' {url}/open/broken/{how}"),
        )?;
        ensure!(job.stdout.contains("502"), "{how}: {}", shown(&job));
    }
    let sessions = world.sluice.sessions_of("http")?;
    ensure!(
        sessions.iter().all(|s| s["outcome"] == "failed"),
        "{sessions:?}"
    );
    Ok(())
}

#[test]
fn a_websocket_needs_a_rule_of_its_own() -> anyhow::Result<()> {
    let Some((world, peer)) = world("a_websocket_needs_a_rule_of_its_own")? else {
        return Ok(());
    };
    let script = format!(
        "{} -c \"import socket
s = socket.create_connection(('api.internal', {}), 20)
s.sendall(b'GET /open/ws HTTP/1.1\\r\\nHost: api.internal:{}\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n')
head = s.recv(4096)
print(head.split(b' ')[1].decode())
if b' 101 ' in head:
    s.sendall(b'Hello Tunnel')
    print(s.recv(100).decode())\"",
        python().display(),
        peer.port,
        peer.port
    );
    let refused = world.gated(POLICY, &script)?;
    ensure!(refused.stdout == "403\n", "{}", shown(&refused));
    let policy = format!(
        "{POLICY}  - name: sockets\n    what: {{ host: api.internal, port: {}, protocol: websocket }}\n    then: allow\n",
        peer.port
    );
    let allowed = world.same(&policy, &script)?;
    ensure!(
        allowed.stdout == "101\nhELLO tUNNEL\n",
        "{}",
        shown(&allowed)
    );
    // The session is that of the request; the tunnel is an operation of it.
    let sessions = world.sluice.sessions_of("http")?;
    let session = sessions.last().context("no session")?;
    ensure!(
        session["verdict"] == "allow" && session["operations"] == 2,
        "{session}"
    );
    let events = world.events_of("http")?;
    let tunnel = events
        .iter()
        .rfind(|e| e["kind"] == "operation")
        .context("no operation")?;
    ensure!(
        tunnel["protocol"] == "opaque" && tunnel["looks_like"] == "websocket",
        "{tunnel}"
    );
    Ok(())
}
