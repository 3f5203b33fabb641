//! Streams that the gate does not understand: refused unless a rule allows them by port.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use sluice_e2e::{Script, World, python, shown};
use sluice_harness::Nginx;
use std::process::Command;

/// Says nothing until it is spoken to, then repeats in upper case.
const ECHO: &str = "
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data.upper())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server((HOST, PORT), Echo).serve_forever()
";

/// Speaks first.
const GREETER: &str = "
import socketserver
class Greeter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'220 hello\\r\\n')
        self.request.sendall(b'you said ' + self.request.recv(100))
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server((HOST, PORT), Greeter).serve_forever()
";

fn policy(port: u16, protocol: &str) -> String {
    format!(
        "version: 1\nname: streams\ndefault: deny\nrules:\n  - name: legacy\n    \
         what: {{ host: raw.internal, port: {port}, protocol: {protocol} }}\n    then: allow\n"
    )
}

const SHUT: &str = "version: 1\nname: shut\ndefault: deny\nrules:\n  - name: web\n    \
    what: { host: raw.internal, http: { method: [GET] } }\n    then: allow\n";

fn last(world: &World) -> anyhow::Result<Value> {
    let sessions = world.sluice.sessions()?;
    let last = sessions.into_iter().rfind(|s| s["protocol"] != "dns");
    last.context("no session")
}

fn client(port: u16, talk: &str) -> String {
    format!(
        "{} -c \"import socket, time
begun = time.monotonic()
try:
    s = socket.create_connection(('raw.internal', {port}), 20)
{talk}
except OSError as e:
    print(type(e).__name__)
print('quick' if time.monotonic() - begun < 3 else 'slow')\"",
        python().display()
    )
}

const TALK: &str = "    s.sendall(b'hello there' * 1000)
    data = b''
    while len(data) < 11000 and (piece := s.recv(65536)): data += piece
    print(len(data), data[:11])";

#[test]
fn a_stream_is_refused_with_a_reset_unless_a_rule_names_its_port() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "a_stream_is_refused_with_a_reset_unless_a_rule_names_its_port",
        &["raw.internal"],
    )?
    else {
        return Ok(());
    };
    let echo = Script::serve(&world.sluice, "echo", ECHO)?;
    let script = client(echo.port, TALK);
    let other_port = policy(echo.port ^ 1, "opaque");
    for refusing in [SHUT, &other_port] {
        let job = world.gated(refusing, &script)?;
        ensure!(
            job.stdout == "ConnectionResetError\nquick\n",
            "{}",
            shown(&job)
        );
        let session = last(&world)?;
        ensure!(
            session["verdict"] == "deny" && session["bytes_up"] == 0,
            "{session}"
        );
    }
    let job = world.same(&policy(echo.port, "opaque"), &script)?;
    ensure!(
        job.stdout == "11000 b'HELLO THERE'\nquick\n",
        "{}",
        shown(&job)
    );
    let session = last(&world)?;
    ensure!(
        session["verdict"] == "allow" && session["protocol"] == "opaque",
        "{session}"
    );
    ensure!(
        session["bytes_up"] == 11000 && session["bytes_down"] == 11000,
        "{session}"
    );
    Ok(())
}

#[test]
fn a_server_that_speaks_first_is_heard() -> anyhow::Result<()> {
    let Some(world) = World::or_skip("a_server_that_speaks_first_is_heard", &["raw.internal"])?
    else {
        return Ok(());
    };
    let greeter = Script::serve(&world.sluice, "greeter", GREETER)?;
    let talk =
        "    print(s.recv(100))\n    s.sendall(b'hi')\n    print(s.recv(100)); print(s.recv(1))";
    let script = client(greeter.port, talk);
    let job = world.same(&policy(greeter.port, "opaque"), &script)?;
    ensure!(
        job.stdout.contains("you said hi") && job.stdout.ends_with("quick\n"),
        "{}",
        shown(&job)
    );
    let job = world.gated(SHUT, &script)?;
    ensure!(
        job.stdout == "ConnectionResetError\nquick\n" || job.stdout.starts_with("b''"),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn the_ends_of_both_directions_are_passed_on() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "the_ends_of_both_directions_are_passed_on",
        &["raw.internal"],
    )?
    else {
        return Ok(());
    };
    let echo = Script::serve(&world.sluice, "echo", ECHO)?;
    let talk = "    import threading; peer = s.getpeername()
    threading.Thread(target=lambda: (s.sendall(b'x' * 8000000), s.shutdown(socket.SHUT_WR))).start()
    n = 0
    while piece := s.recv(65536): n += len(piece)
    print(n, peer)";
    let job = world.same(&policy(echo.port, "opaque"), &client(echo.port, talk))?;
    ensure!(
        job.stdout.starts_with("8000000 ('127.9.9.9'"),
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn tls_is_opaque() -> anyhow::Result<()> {
    let Some(world) = World::or_skip("tls_is_opaque", &["raw.internal"])? else {
        return Ok(());
    };
    let place = world.sluice.scratch().path();
    let (key, certificate) = (place.join("key.pem"), place.join("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=raw.internal",
        ])
        .args(["-addext", "subjectAltName=DNS:raw.internal", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let web = Nginx::start_with(world.sluice.scratch(), |port| {
        format!(
            "http {{ server {{ listen 127.9.9.9:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; location / {{ return 200 'over tls'; }} }} }}\n",
            certificate.display(),
            key.display()
        )
    })?;
    let script = format!(
        "curl -sS -m 20 --cacert {} https://raw.internal:{}/",
        certificate.display(),
        web.port
    );
    for allowing in ["opaque", "tls"] {
        let job = world.same(&policy(web.port, allowing), &script)?;
        ensure!(job.stdout == "over tls", "{}", shown(&job));
        ensure!(last(&world)?["verdict"] == "allow");
    }
    let other = policy(web.port, "ssh");
    for refusing in [SHUT, &other] {
        let job = world.gated(refusing, &script)?;
        ensure!(
            job.status == 35 && !job.stdout.contains("over tls"),
            "{}",
            shown(&job)
        );
        ensure!(last(&world)?["verdict"] == "deny");
    }
    Ok(())
}

#[test]
fn a_port_where_nobody_listens_is_not_there() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "a_port_where_nobody_listens_is_not_there",
        &["raw.internal"],
    )?
    else {
        return Ok(());
    };
    let closed = sluice_harness::free_port(sluice_harness::REMOTE)?;
    let job = world.gated(&policy(closed, "opaque"), &client(closed, TALK))?;
    ensure!(
        job.stdout.starts_with("Connection") && job.stdout.ends_with("quick\n"),
        "{}",
        shown(&job)
    );
    ensure!(last(&world)?["outcome"] == "failed", "{}", last(&world)?);
    Ok(())
}
