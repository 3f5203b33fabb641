//! Ways round rules about HTTP: names that do not belong together, requests that two readers
//! read in two ways, tunnels that nobody opened, and TLS where HTTP was allowed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is test code; clippy knows only #[test] functions as such"
)]

use std::process::Command;

use sluice_evasion::{Dns, HttpSink, Kind, Sink, job, outcome, python, vector};
use sluice_harness::{REMOTE, Sluice, cannot_capture, skipped};

/// `/ok` of one name, on any port.
const POLICY: &str = "
version: 1
name: one-path
default: deny
rules:
  - name: names
    what: { dns: { type: [A] } }
    then: allow
  - name: ok
    what: { host: allowed.example.com, http: { method: [GET, POST], path: /ok } }
    then: allow
";

struct Site {
    sink: HttpSink,
    sluice: Sluice,
}

impl Site {
    fn new(name: &str) -> Option<Self> {
        if let Some(why) = cannot_capture() {
            skipped(name, why);
            return None;
        }
        // All names are of one address, as on a CDN.
        let dns = Dns::open().unwrap();
        let config = format!("[resolver]\nupstream = [\"{}\"]\n", dns.address());
        let sluice = Sluice::with_config(&config).unwrap();
        let sink = HttpSink::open(0).unwrap();
        Some(Self { sink, sluice })
    }

    fn line(&self, word: &str, case: &str, resolve: bool) -> Vec<String> {
        let vector = vector("http_raw").to_string_lossy().into_owned();
        let (host, port) = (REMOTE.to_string(), self.sink.port().to_string());
        let mut line = vec![python(), "-B", &vector, &host, &port, word, case];
        if resolve {
            line.push("allowed.example.com");
        }
        line.into_iter().map(str::to_owned).collect()
    }

    /// Without protection: the word must come.
    fn direct(&self, case: &str) {
        let line = self.line("word-off", case, false);
        Command::new(&line[0]).args(&line[1..]).output().unwrap();
        let came = self.sink.came().unwrap();
        assert!(came.contains("word-off"), "{case}: {came:?}");
    }

    /// As a job: what it said, and what came.
    fn job(&self, case: &str, resolve: bool) -> (String, String) {
        let line = self.line("word-on", case, resolve);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let job = self.sluice.run_with(POLICY, &[], &line).unwrap();
        assert_eq!(job.status, 0, "{job:?}");
        (outcome(&job.stdout), self.sink.came().unwrap())
    }
}

/// The word gets out directly; as a job what was said is `want`, and the word did not come.
fn stays_shut(case: &str, resolve: bool, want: &str) {
    let Some(site) = Site::new(case) else { return };
    site.direct(case);
    let (said, came) = site.job(case, resolve);
    println!("{case}: {said}, came {came:?}");
    assert!(!came.contains("word-on"), "{case}: {said}, {came:?}");
    assert_eq!(said, want, "{case}");
    let refused = site.sluice.sessions().unwrap();
    let refused = refused
        .iter()
        .any(|s| s["verdict"] == "deny" || s["refused"].as_u64() > Some(0));
    assert!(refused, "{case} is not on record as refused");
}

#[test]
fn what_is_allowed_gets_out() {
    let Some(site) = Site::new("plain") else {
        return;
    };
    let (said, came) = site.job("plain", true);
    assert_eq!(said, "200");
    assert!(came.contains("GET /ok?word-on"), "{came:?}");
}

#[test]
fn agent_426_another_name_on_the_same_address() {
    stays_shut("other_host", true, "421");
}

#[test]
fn a_name_that_was_not_resolved_is_not_believed() {
    stays_shut("plain", false, "421");
}

#[test]
fn an_absolute_form_that_names_another_host() {
    stays_shut("absolute_form", true, "400");
}

#[test]
fn no_host_and_two_hosts() {
    stays_shut("no_host", true, "400");
    stays_shut("two_hosts", true, "400");
}

#[test]
fn another_path_also_by_dots() {
    stays_shut("path", true, "403");
    stays_shut("dots", true, "400");
}

#[test]
fn cve_2026_2835_requests_that_two_readers_read_in_two_ways() {
    for case in [
        "cl_te", "te_twice", "te_odd", "te_space", "cl_twice", "cl_sign", "folded", "bare_lf",
    ] {
        stays_shut(case, true, "400");
    }
}

#[test]
fn what_is_pipelined_behind_an_allowed_request_is_judged_too() {
    stays_shut("pipelined", true, "200 403");
}

#[test]
fn connect_opens_no_tunnel() {
    stays_shut("connect", true, "403");
}

#[test]
fn cve_2026_2833_raw_bytes_before_a_101() {
    // A rule for requests opens no upgrade; what comes behind is read as a request.
    stays_shut("upgrade", true, "403 400");
    stays_shut("upgrade_h2c", true, "200 505");
}

#[test]
fn http2_without_an_upgrade() {
    stays_shut("h2_preface", true, "505");
}

#[test]
fn cve_2026_32947_dns_over_https() {
    let name = "cve_2026_32947_dns_over_https";
    if let Some(why) = cannot_capture() {
        return skipped(name, why);
    }
    let sink = match Sink::open(Kind::Tcp4, 443) {
        Ok(sink) => sink,
        Err(error) => return skipped(name, &format!("{error:#}")),
    };
    let off = sluice_evasion::direct("tls_hello", &sink, "word-off.example.com", &[]).unwrap();
    assert_eq!(off, "out");
    sink.must_see("word-off").unwrap();
    sink.so_far().unwrap();
    // HTTP is allowed there, whatever the host; what cannot be read is not HTTP.
    let policy = "version: 1\nname: web\ndefault: deny\nrules:\n  - name: web\n    what: { http: {} }\n    \
                  then: allow\n";
    let sluice = Sluice::new().unwrap();
    let job = job(
        &sluice,
        policy,
        "tls_hello",
        &sink,
        "word-on.example.com",
        &[],
    )
    .unwrap();
    assert_eq!(job.status, 0, "{job:?}");
    sink.must_have_seen_nothing("word-on").unwrap();
    assert_ne!(outcome(&job.stdout), "out");
    let sessions = sluice.sessions().unwrap();
    assert_eq!(
        (&sessions[0]["verdict"], &sessions[0]["protocol"]),
        (&"deny".into(), &"opaque".into()),
        "{sessions:?}"
    );
}
