//! HTTP/1.1: real clients and servers, direct and through the gate.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::{Script, World, python, shown, text};
use sluice_harness::{Nginx, REMOTE, free_port};

const PEER: &str = include_str!("../peers/web.py");

const POLICY: &str = "version: 1
name: web
default: deny
rules:
  - name: reads
    what: { host: api.internal, http: { method: [GET, HEAD, POST, PUT], path: \"/open/**\" } }
    then: allow
  - name: git
    what: { host: api.internal, http: { method: [GET, POST], path: \"/repo.git/**\" } }
    then: allow
  - name: never
    what: { http: { path: \"/open/never/**\" } }
    then: deny
    message: ask in the channel of the web team
";

fn masked() -> String {
    format!(
        "{POLICY}mask:\n  - name: people\n    what: {{ host: api.internal }}\n    detect: [email, credit_card, secret]\n    with: redact\nrecord: {{ payload: masked }}\n"
    )
}

/// A world with the server that says what it saw.
fn world(test: &str) -> anyhow::Result<Option<(World, Script)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let peer = Script::serve(&world.sluice, "web", PEER)?;
    Ok(Some((world, peer)))
}

fn url(peer: &Script) -> String {
    format!("http://api.internal:{}", peer.port)
}

/// What every client of a request sees: the answer's head without its date, and the body.
#[test]
fn curl_sees_what_it_sees_without_the_gate() -> anyhow::Result<()> {
    let Some((world, peer)) = world("curl_sees_what_it_sees_without_the_gate")? else {
        return Ok(());
    };
    let url = url(&peer);
    let body = world.sluice.scratch().path().join("body");
    std::fs::write(&body, vec![b'x'; 3_000_000])?;
    let body = body.display();
    for request in [
        format!("{url}/open/get?a=1&b=%20"),
        format!("-I {url}/open/head"),
        format!("-X POST -d a=1 {url}/open/form"),
        format!("-d @{body} {url}/open/large"),
        format!("-T {body} {url}/open/put"),
        format!(
            "-T {body} -H 'Transfer-Encoding: chunked' -H 'Content-Length:' {url}/open/chunked"
        ),
        format!("-H 'Expect: 100-continue' -d @{body} {url}/open/continue"),
        format!("-0 {url}/open/old"),
        format!("-H 'Connection: close' {url}/open/close"),
        format!("{url}/open/1 {url}/open/2 {url}/open/3"),
        format!("-X POST -d 1 {url}/open/1 --next -sS -i {url}/open/2 --next -sS -I {url}/open/3"),
        format!(
            "-H 'X-Empty;' -H 'X-Long: {}' {url}/open/fields",
            "v".repeat(4000)
        ),
        format!("{url}/open/customer/identity/7"),
        format!("--compressed {url}/open/customer/gzip"),
        format!("--compressed {url}/open/customer/br/5"),
        format!("{url}/open/customer/gzip | base64"),
    ] {
        let job = world.same(POLICY, &format!("curl -sS -i -m 30 {request}"))?;
        ensure!(
            job.status == 0 && !job.stdout.is_empty(),
            "{request}: {}",
            shown(&job)
        );
    }
    let denied: Vec<Value> = world.sluice.sessions_of("http")?;
    ensure!(denied.iter().all(|session| session["verdict"] == "allow"));
    Ok(())
}

#[test]
fn several_requests_of_one_connection_are_one_session() -> anyhow::Result<()> {
    let Some((world, peer)) = world("several_requests_of_one_connection_are_one_session")? else {
        return Ok(());
    };
    let url = url(&peer);
    let script = format!(
        "curl -sS -m 20 {url}/open/1 {url}/secret {url}/open/2 -o /dev/null -o /dev/null -o /dev/null -w '%{{http_code}} %{{num_connects}}\\n'"
    );
    let job = world.gated(POLICY, &script)?;
    ensure!(job.stdout == "200 1\n403 0\n200 0\n", "{}", shown(&job));
    let sessions = world.sluice.sessions_of("http")?;
    ensure!(sessions.len() == 1, "{sessions:?}");
    let session = sessions.first().context("no session")?;
    ensure!(
        session["operations"] == 3 && session["refused"] == 1,
        "{session}"
    );
    let events = world.sluice.events(session)?;
    let paths: Vec<&str> = events
        .iter()
        .filter(|event| event["kind"] == "operation")
        .map(|event| text(event, "path"))
        .collect();
    ensure!(paths == ["/open/1", "/secret", "/open/2"], "{paths:?}");
    Ok(())
}

#[test]
fn pipelined_requests_are_answered_in_order() -> anyhow::Result<()> {
    let Some((world, peer)) = world("pipelined_requests_are_answered_in_order")? else {
        return Ok(());
    };
    let script = format!(
        "{} - <<'E'
import socket
s = socket.create_connection(('api.internal', {}), 20)
head = 'Host: api.internal:{}\\r\\n'
s.sendall(''.join(f'GET /open/{{i}} HTTP/1.1\\r\\n{{head}}\\r\\n' for i in range(20)).encode()
  + f'POST /open/last HTTP/1.1\\r\\n{{head}}Content-Length: 3\\r\\nConnection: close\\r\\n\\r\\nabc'.encode())
data = b''
while piece := s.recv(65536):
    data += piece
print(data.decode())
E",
        python().display(),
        peer.port,
        peer.port
    );
    let job = world.same(POLICY, &script)?;
    ensure!(
        job.stdout.matches("HTTP/1.1 200").count() == 21,
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn other_clients_see_what_they_see_without_the_gate() -> anyhow::Result<()> {
    let Some((world, peer)) = world("other_clients_see_what_they_see_without_the_gate")? else {
        return Ok(());
    };
    let (url, python) = (url(&peer), python());
    let python = python.display();
    for script in [
        format!("wget -q -T 20 -t 1 -O - {url}/open/wget"),
        format!("wget -q -T 20 -t 1 -O - --post-data=a=1 {url}/open/wget"),
        format!("{python} - <<'E'
import requests
s = requests.Session()
for method, path, more in [('GET', 'a', {{}}), ('POST', 'b', dict(data=b'x' * 100000)), ('PUT', 'c', dict(json={{'a': [1, 2]}})),
        ('POST', 'd', dict(data=(b'piece' for _ in range(50)))), ('POST', 'e', dict(files={{'f': ('n', b'1234')}}, headers={{'Content-Type': 'multipart/form-data; boundary=b'}}))]:
    r = s.request(method, '{url}/open/' + path, timeout=20, **more)
    text = r.text if path != 'e' else ''
    print(r.status_code, dict(r.headers), text)
print(s.get('{url}/open/customer/gzip/9', timeout=20).json())
E"),
        format!("{python} -c \"import urllib.request as u; print(u.urlopen('{url}/open/urllib', timeout=20).read())\""),
    ] {
        let job = world.same(POLICY, &script)?;
        ensure!(job.status == 0 && !job.stdout.is_empty(), "{script}: {}", shown(&job));
    }
    Ok(())
}

#[test]
fn git_clones_and_pushes_over_http() -> anyhow::Result<()> {
    let Some((world, peer)) = world("git_clones_and_pushes_over_http")? else {
        return Ok(());
    };
    let place = world.sluice.scratch().path().display().to_string();
    let script = format!(
        "set -e; export HOME={place} GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_DATE=2026-01-01T00:00:00Z GIT_COMMITTER_DATE=2026-01-01T00:00:00Z
rm -rf {place}/repo.git {place}/work {place}/again
git init -q --bare -b main {place}/repo.git; git -C {place}/repo.git config http.receivepack true
git clone -q {url}/repo.git {place}/work 2>/dev/null; cd {place}/work
git config user.name Ada; git config user.email ada@example.com
head -c 300000 /dev/zero | tr '\\0' x > big; git add big; git commit -qm one; git push -q origin HEAD:main
git clone -q {url}/repo.git {place}/again; cd {place}/again; git log --format=%H%s; sha256sum big",
        url = url(&peer)
    );
    let job = world.same(POLICY, &script)?;
    ensure!(
        job.status == 0 && job.stdout.contains("one"),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn a_large_download_is_whole_and_gzip_of_nginx_too() -> anyhow::Result<()> {
    let Some((world, _peer)) = world("a_large_download_is_whole_and_gzip_of_nginx_too")? else {
        return Ok(());
    };
    let place = world.sluice.scratch().path();
    let mut state = 7_u64;
    let large: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(50 * 1024 * 1024 / 8)
    .flatten()
    .collect();
    std::fs::create_dir_all(place.join("www/open"))?;
    std::fs::write(place.join("www/open/large"), large)?;
    std::fs::write(
        place.join("www/open/text.txt"),
        "a line of text\n".repeat(20_000),
    )?;
    let web = Nginx::start(
        world.sluice.scratch(),
        &format!(
            "root {}/www; gzip on; gzip_types text/plain;",
            place.display()
        ),
    )?;
    let url = format!("http://api.internal:{}/open", web.port);
    for script in [
        format!("curl -sS -m 60 {url}/large | sha256sum"),
        format!("curl -sS -m 60 -r 1000-4999999 {url}/large | sha256sum"),
        format!("curl -sS -m 60 --compressed {url}/text.txt | sha256sum"),
        format!(
            "curl -sS -m 60 -i -H 'Accept-Encoding: gzip' {url}/text.txt | grep -avi '^date' | sha256sum"
        ),
        format!("for i in 1 2 3 4 5 6; do curl -sS -m 60 {url}/large | sha256sum & done; wait"),
    ] {
        let job = world.same(POLICY, &script)?;
        ensure!(job.status == 0, "{script}: {}", shown(&job));
    }
    let sessions = world.sluice.sessions_of("http")?;
    let most = sessions
        .iter()
        .filter_map(|s| s["bytes_down"].as_u64())
        .max();
    ensure!(most > Some(50 * 1024 * 1024), "{most:?}");
    Ok(())
}

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
        let job = world.gated(POLICY, &script)?;
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
