//! HTTP/1.1: real clients and servers, direct and through the gate.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::web::{self, POLICY, url};
use sluice_e2e::{Script, World, python, shown, text};
use sluice_harness::Nginx;

/// A world with the server that says what it saw.
fn world(test: &str) -> anyhow::Result<Option<(World, Script)>> {
    let Some(world) = World::or_skip(test, &["api.internal"])? else {
        return Ok(None);
    };
    let peer = web::serve(&world.sluice)?;
    Ok(Some((world, peer)))
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
fn a_session_has_the_name_that_its_request_proved() -> anyhow::Result<()> {
    let names = ["api.internal", "web.internal"];
    let test = "a_session_has_the_name_that_its_request_proved";
    let Some(world) = World::or_skip(test, &names)? else {
        return Ok(());
    };
    let peer = web::serve(&world.sluice)?;
    let get = |name: &str| {
        format!(
            "curl -sS -m 20 http://{name}:{}/open/x -o /dev/null",
            peer.port
        )
    };
    let script = [get(names[1]), get(names[0]), get(names[1])].join("; ");
    let both = POLICY.replace("host: api.internal", "host: [api.internal, web.internal]");
    let job = world.gated(&both, &script)?;
    let sessions = world.sluice.sessions_of("http")?;
    let hosts: Vec<&Value> = sessions.iter().map(|s| &s["destination"]["host"]).collect();
    ensure!(
        hosts == [names[1], names[0], names[1]],
        "{hosts:?} {}",
        shown(&job)
    );
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
