//! Names: every question of a job is the gate's, wherever it is sent.

use anyhow::{Context as _, ensure};
use sluice_e2e::{Script, World, python, shown, text};

const POLICY: &str = "version: 1
name: names
default: deny
rules:
  - name: the-api
    what: { host: api.internal, http: { method: [GET] } }
    then: allow
  - name: one-name
    what: { dns: { name: \"*.lookup.internal\", type: [A, AAAA] } }
    then: allow
  - name: text
    what: { dns: { name: \"**\", type: [TXT] } }
    then: deny
";

const NAMES: [&str; 3] = ["api.internal", "db.lookup.internal", "hidden.internal"];

/// Asks one question over UDP and TCP, of an address where nobody listens, and prints the
/// response code and the addresses.
const ASK: &str = "import socket, struct, sys
name, kind, server = sys.argv[1], int(sys.argv[2]), (sys.argv[3], 53)
question = struct.pack('>6H', 0x1234, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(p)]) + p.encode() for p in name.split('.')) + struct.pack('>BHH', 0, kind, 1)
family = socket.AF_INET6 if ':' in server[0] else socket.AF_INET
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.settimeout(10)
udp.sendto(question, server)
over_udp, sender = udp.recvfrom(4096)
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.settimeout(10)
udp.connect(server)
udp.send(question)
connected = udp.recv(4096)
tcp = socket.create_connection(server, 10)
tcp.sendall(struct.pack('>H', len(question)) + question)
size = struct.unpack('>H', tcp.recv(2))[0]
over_tcp = b''
while len(over_tcp) < size:
    over_tcp += tcp.recv(size - len(over_tcp))
for way, answer in ('udp', over_udp), ('connected', connected), ('tcp', over_tcp):
    same_id, count = answer[:2] == b'\\x12\\x34', struct.unpack('>H', answer[6:8])[0]
    print(way, same_id, 'rcode', answer[3] & 15, 'answers', count, '.'.join(map(str, answer[-4:])) if count and kind == 1 else '')
print('from', sender[0])
";

#[test]
fn names_that_a_rule_needs_are_resolved_and_others_are_not() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "names_that_a_rule_needs_are_resolved_and_others_are_not",
        &NAMES,
    )?
    else {
        return Ok(());
    };
    for (name, status) in [
        ("api.internal", 0),
        ("db.lookup.internal", 0),
        ("hidden.internal", 2),
        ("no-such.example.com", 2),
    ] {
        let job = world.gated(POLICY, &format!("getent ahostsv4 {name}"))?;
        ensure!(job.status == status, "{name}: {}", shown(&job));
        ensure!(
            job.stdout.contains("127.9.9.9") == (status == 0),
            "{name}: {}",
            shown(&job)
        );
    }
    let events = world.events_of("dns")?;
    let asked: Vec<&str> = events
        .iter()
        .filter(|e| e["kind"] == "operation")
        .map(|e| text(e, "name"))
        .collect();
    ensure!(
        asked.contains(&"hidden.internal") && asked.contains(&"api.internal"),
        "{asked:?}"
    );
    let refused = world
        .sluice
        .ask_json(&["sessions", "list", "--json", "--verdict", "deny"])?;
    ensure!(
        refused.len() >= 2 && refused.iter().all(|s| s["protocol"] == "dns"),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn questions_to_any_server_land_at_the_gate() -> anyhow::Result<()> {
    let Some(world) = World::or_skip("questions_to_any_server_land_at_the_gate", &NAMES)? else {
        return Ok(());
    };
    let ask = world.sluice.scratch().write("ask.py", ASK)?;
    let ask = |name: &str, kind: u16, server: &str| {
        world.gated(
            POLICY,
            &format!(
                "{} {} {name} {kind} {server}",
                python().display(),
                ask.display()
            ),
        )
    };
    for server in ["127.9.9.9", "192.0.2.53", "::1", "2001:db8::53"] {
        let job = ask("db.lookup.internal", 1, server)?;
        for way in ["udp", "connected", "tcp"] {
            let line = format!("{way} True rcode 0 answers 1 127.9.9.9");
            ensure!(
                job.stdout.contains(&line),
                "{server} {way}: {}",
                shown(&job)
            );
        }
        // The client sees the server that it asked.
        ensure!(
            job.stdout.contains(&format!("from {server}\n")),
            "{}",
            shown(&job)
        );
    }
    for (name, kind) in [("hidden.internal", 1), ("c2VjcmV0.lookup.internal", 16)] {
        let job = ask(name, kind, "192.0.2.53")?;
        ensure!(
            job.stdout.matches("rcode 5 answers 0").count() == 3,
            "{name}: {}",
            shown(&job)
        );
    }
    let sessions = world.sluice.sessions_of("dns")?;
    let asked = sessions
        .iter()
        .any(|s| s["destination"]["ip"] == "192.0.2.53" && s["verdict"] == "deny");
    ensure!(asked, "{sessions:?}");
    Ok(())
}

#[test]
fn what_is_no_question_is_answered_as_such_and_recorded() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "what_is_no_question_is_answered_as_such_and_recorded",
        &NAMES,
    )?
    else {
        return Ok(());
    };
    let script = format!(
        "{} -c \"import socket
for data in b'', b'x', b'\\x12\\x34' + b'\\xff' * 10, b'\\x12\\x34\\x01\\x00\\x00\\x01' + b'\\x00' * 6 + b'\\xc0\\x0c\\x00\\x01\\x00\\x01', b'A' * 4000:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5)
    try:
        s.sendto(data, ('192.0.2.53', 53)); print(len(data), 'rcode', s.recv(4096)[3] & 15)
    except OSError as e:
        print(len(data), type(e).__name__)\"; getent ahostsv4 api.internal | head -1",
        python().display()
    );
    let job = world.gated(POLICY, &script)?;
    ensure!(!job.stdout.contains("rcode 0"), "{}", shown(&job));
    ensure!(
        job.stdout.contains("127.9.9.9"),
        "the resolver is gone: {}",
        shown(&job)
    );
    let sessions = world.sluice.sessions()?;
    let broken = sessions
        .iter()
        .filter(|s| s["refused"].as_u64() > Some(0))
        .count();
    ensure!(broken >= 3, "{sessions:?}");
    Ok(())
}

/// What the gate does not know by itself it asks of the servers that it is configured with.
const NAME_SERVER: &str = "
import socket, struct
tcp = socket.create_server((HOST, PORT))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((HOST, PORT))
while True:
    data, peer = udp.recvfrom(4096)
    end = data.index(b'\\0', 12) + 5
    kind = struct.unpack('>H', data[end - 4:end - 2])[0]
    if b'missing' in data:
        udp.sendto(data[:2] + b'\\x81\\x83' + data[4:6] + b'\\0' * 6 + data[12:end], peer)
    elif kind == 1:
        answer = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4' + socket.inet_aton(HOST)
        udp.sendto(data[:2] + b'\\x81\\x80' + data[4:6] + b'\\0\\1' + b'\\0' * 4 + data[12:end] + answer, peer)
    elif kind == 65:
        # Priority 1, the name itself, alpn h2, and ech (RFC 9460) where it is asked for.
        keys = b'\\0\\1\\0\\3\\2h2' + (b'\\0\\5\\0\\4\\xfe\\x0d\\0\\0' if b'hidden' in data else b'')
        answer = b'\\xc0\\x0c\\0\\x41\\0\\1\\0\\0\\0\\x3c' + struct.pack('>HHB', 3 + len(keys), 1, 0) + keys
        udp.sendto(data[:2] + b'\\x81\\x80' + data[4:6] + b'\\0\\1' + b'\\0' * 4 + data[12:end] + answer, peer)
    else:
        udp.sendto(data[:2] + b'\\x81\\x80' + data[4:6] + b'\\0' * 6 + data[12:end], peer)
";

#[test]
fn the_hosts_own_servers_are_asked_and_their_answers_prove_names() -> anyhow::Result<()> {
    let Some(world) = World::or_skip(
        "the_hosts_own_servers_are_asked_and_their_answers_prove_names",
        &[],
    )?
    else {
        return Ok(());
    };
    let names = Script::serve(&world.sluice, "names", NAME_SERVER)?;
    let web = sluice_e2e::web::serve(&world.sluice)?;
    let config = format!("[resolver]\nupstream = [\"127.9.9.9:{}\"]\n", names.port);
    world.sluice.scratch().write("sluice.toml", &config)?;
    let script = format!(
        "getent ahostsv4 api.internal | head -1; getent ahostsv4 missing.lookup.internal; echo $?
curl -sS -m 20 -o /dev/null -w '%{{http_code}}\\n' http://api.internal:{}/x",
        web.port
    );
    let job = world.gated(POLICY, &script)?;
    ensure!(
        job.stdout.contains("127.9.9.9") && job.stdout.ends_with("2\n200\n"),
        "{}",
        shown(&job)
    );
    let sessions = world.sluice.sessions_of("http")?;
    let session = sessions.first().context("no session")?;
    ensure!(
        session["destination"]["host"] == "api.internal",
        "{session}"
    );
    Ok(())
}

/// Asks for the HTTPS record of a name, and prints the type of the answer's.
const HTTPS: &str = "import socket, struct, sys
question = struct.pack('>6H', 7, 0x100, 1, 0, 0, 0) + b''.join(bytes([len(p)]) + p.encode() for p in sys.argv[1].split('.')) + struct.pack('>BHH', 0, 65, 1)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(10)
udp.sendto(question, ('192.0.2.53', 53))
answer = udp.recv(4096)
print(sys.argv[1], 'rcode', answer[3] & 15, 'type', struct.unpack('>H', answer[len(question) + 2:len(question) + 4])[0])
";

#[test]
fn keys_that_would_hide_names_inside_of_tls_do_not_come_through() -> anyhow::Result<()> {
    let test = "keys_that_would_hide_names_inside_of_tls_do_not_come_through";
    let Some(world) = World::or_skip(test, &[])? else {
        return Ok(());
    };
    let names = Script::serve(&world.sluice, "names", NAME_SERVER)?;
    let config = format!("[resolver]\nupstream = [\"127.9.9.9:{}\"]\n", names.port);
    world.sluice.scratch().write("sluice.toml", &config)?;
    let ask = world.sluice.scratch().write("https.py", HTTPS)?;
    let policy = "version: 1\nname: names\ndefault: deny\nrules:\n  - name: services\n    what: { dns: { name: \"*.service.internal\", type: [HTTPS] } }\n    then: allow\n";
    let ask = format!("{} {}", python().display(), ask.display());
    let script = format!("{ask} plain.service.internal; {ask} hidden.service.internal");
    let job = world.gated(policy, &script)?;
    ensure!(
        job.stdout
            == "plain.service.internal rcode 0 type 65\nhidden.service.internal rcode 0 type 65280\n",
        "{}",
        shown(&job)
    );
    Ok(())
}

#[test]
fn other_ways_to_ask_for_names_are_shut_unless_named() -> anyhow::Result<()> {
    let Some(world) = World::or_skip("other_ways_to_ask_for_names_are_shut_unless_named", &NAMES)?
    else {
        return Ok(());
    };
    // DNS over TLS, as it begins; multicast DNS and LLMNR.
    let script = format!(
        "{} -c \"import socket
hello = b'\\x16\\x03\\x01\\x00\\x2f\\x01\\x00\\x00\\x2b\\x03\\x03' + b'\\x00' * 41
try:
    s = socket.create_connection(('api.internal', 853), 10); s.sendall(hello); print('tls', s.recv(10))
except OSError as e:
    print('tls', type(e).__name__)
for group, port in ('224.0.0.251', 5353), ('224.0.0.252', 5355):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.sendto(b'\\x12\\x34', (group, port)); print(port, 'sent')
    except OSError as e:
        print(port, type(e).__name__)\"",
        python().display()
    );
    let job = world.gated(POLICY, &script)?;
    ensure!(
        job.stdout == "tls ConnectionResetError\n5353 PermissionError\n5355 PermissionError\n",
        "{}",
        shown(&job)
    );
    let sessions = world.sluice.sessions()?;
    for port in [853, 5353, 5355] {
        let refused = sessions
            .iter()
            .any(|s| s["destination"]["port"] == port && s["verdict"] == "deny");
        ensure!(refused, "{port}: {sessions:?}");
    }
    Ok(())
}
