use super::*;
use crate::glob::Parts;
use crate::testing::request;
use crate::truth::Truth::{False, True, Unknown};

fn hosts(texts: &[&str]) -> What {
    let host = texts
        .iter()
        .map(|t| Glob::new(t, Parts::Dotted).unwrap())
        .collect();
    What {
        host,
        ..What::default()
    }
}

fn asked_truth(what: &What, asked: &Asked<'_>, side: Side) -> Truth {
    let mut all = AllOf::quick();
    what.asked_keys(asked, side, &mut all);
    all.truth()
}

#[test]
fn hosts_by_what_is_known_of_the_name() {
    let names = |list: &[&str]| HostFact::Ambiguous(list.iter().map(|n| (*n).to_owned()).collect());
    let disagree = HostFact::Disagree {
        claimed: "a.example.com".to_owned(),
        resolved: Vec::new(),
    };
    for (fact, want) in [
        (HostFact::Proved("a.example.com".to_owned()), True),
        (HostFact::Proved("a.b.example.com".to_owned()), False),
        (HostFact::Proved("example.com".to_owned()), False),
        (names(&["a.example.com", "b.example.com"]), True),
        (names(&["a.example.com", "cdn.example.net"]), Unknown),
        (names(&["x.example.net", "cdn.example.net"]), False),
        (HostFact::Unknown, Unknown),
        (disagree, Unknown),
    ] {
        assert_eq!(
            hosts(&["*.example.com"]).host_truth(&fact),
            want,
            "{fact:?}"
        );
    }
}

#[test]
fn an_address_is_no_name() {
    // No name is known of a raw address, and a name that looks like one matches no glob that
    // can be written.
    assert_eq!(hosts(&["**"]).host_truth(&HostFact::Unknown), Unknown);
}

#[test]
fn addresses_and_ports() {
    let what = What {
        cidr: vec![
            "192.0.2.0/24".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
        port: vec![443..=443, 8000..=8999],
        ..What::default()
    };
    for (ip, port, want) in [
        ("192.0.2.7", 443, True),
        ("192.0.2.7", 8000, True),
        ("192.0.2.7", 8999, True),
        ("192.0.2.7", 9000, False),
        ("198.51.100.1", 443, False),
        ("2001:db8::1", 443, True),
        ("fe80::1", 443, False),
    ] {
        let mut all = AllOf::quick();
        what.address_keys(ip.parse().unwrap(), port, &mut all);
        assert_eq!(all.truth(), want, "{ip} {port}");
    }
}

#[test]
fn protocols() {
    let what = |names: &[&str]| What {
        protocol: names.iter().map(|n| (*n).to_owned()).collect(),
        ..What::default()
    };
    let request = request("GET", "/", &[]);
    let stream = |looks_like: &str| OpaqueStream {
        looks_like: looks_like.to_owned(),
    };
    let (ssh, unknown) = (stream("ssh"), stream("unknown"));
    for (names, asked, want) in [
        (&["http"][..], Asked::Http(&request, Status::ToCome), True),
        (
            &["postgres", "http"],
            Asked::Http(&request, Status::ToCome),
            True,
        ),
        (&["postgres"], Asked::Http(&request, Status::ToCome), False),
        (&["opaque"], Asked::Http(&request, Status::ToCome), False),
        (&["opaque"], Asked::Opaque(&ssh), True),
        (&["ssh"], Asked::Opaque(&ssh), True),
        (&["tls"], Asked::Opaque(&ssh), Unknown),
        (&["http"], Asked::Opaque(&unknown), Unknown),
        (&["ssh"], Asked::Connect, Unknown),
    ] {
        assert_eq!(
            asked_truth(&what(names), &asked, Side::Opens),
            want,
            "{names:?} {asked:?}"
        );
    }
}

#[test]
fn a_block_of_another_protocol_does_not_match_and_of_an_undecoded_one_is_unknown() {
    let what = What {
        http: Some(Http::default()),
        ..What::default()
    };
    let question = DnsQuestion {
        name: "a".to_owned(),
        r#type: "A".to_owned(),
    };
    let stream = OpaqueStream {
        looks_like: "tls".to_owned(),
    };
    let request = request("GET", "/", &[]);
    for (asked, want) in [
        (Asked::Http(&request, Status::ToCome), True),
        (Asked::Dns(&question), False),
        (Asked::Opaque(&stream), Unknown),
        (Asked::Connect, Unknown),
    ] {
        assert_eq!(asked_truth(&what, &asked, Side::Closes), want, "{asked:?}");
        let fits = what.can_be(asked.kind());
        assert_eq!(fits, want != False, "can_be agrees: {asked:?}");
    }
}

#[test]
fn methods_and_paths() {
    let what = What {
        http: Some(Http {
            method: vec!["GET".to_owned(), "HEAD".to_owned()],
            path: vec![Glob::new("/repos/acme/**", Parts::Path).unwrap()],
            ..Http::default()
        }),
        ..What::default()
    };
    for (method, path, opens, closes) in [
        ("GET", "/repos/acme/x", True, True),
        ("HEAD", "/repos/acme/x/y", True, True),
        ("POST", "/repos/acme/x", False, False),
        ("get", "/repos/acme/x", False, True),
        ("GET", "/repos/acme-evil/x", False, False),
        ("GET", "/repos/evil/../acme/x", False, False),
    ] {
        let request = request(method, path, &[]);
        let asked = Asked::Http(&request, Status::ToCome);
        let got = (
            asked_truth(&what, &asked, Side::Opens),
            asked_truth(&what, &asked, Side::Closes),
        );
        assert_eq!(got, (opens, closes), "{method} {path}");
    }
}

#[test]
fn headers_that_are_sent_twice() {
    let globs = vec![Glob::new("acme-*", Parts::One).unwrap()];
    for (headers, opens, closes) in [
        (&[("X-Team", "acme-a")][..], true, true),
        (&[("x-team", " acme-a ")], true, true),
        (&[("x-team", "evil")], false, false),
        (&[("x-team", "acme-a"), ("X-TEAM", "evil")], false, true),
        (&[("x-other", "acme-a")], false, false),
        (&[], false, false),
    ] {
        let request = request("GET", "/", headers);
        let got = (
            header(&request, "x-team", &globs, Side::Opens),
            header(&request, "x-team", &globs, Side::Closes),
        );
        assert_eq!(got, (opens, closes), "{headers:?}");
    }
}

#[test]
fn questions() {
    let what = What {
        dns: Some(Dns {
            name: vec![Glob::new("*.example.com", Parts::Dotted).unwrap()],
            types: vec!["A".to_owned(), "TXT".to_owned()],
        }),
        ..What::default()
    };
    for (name, r#type, want) in [
        ("a.example.com", "A", True),
        ("a.example.com", "txt", True),
        ("a.example.com", "MX", False),
        ("a.b.example.com", "A", False),
    ] {
        let question = DnsQuestion {
            name: name.to_owned(),
            r#type: r#type.to_owned(),
        };
        let got = asked_truth(&what, &Asked::Dns(&question), Side::Opens);
        assert_eq!(got, want, "{name} {type}");
    }
}

#[test]
fn opaque_is_named_by_protocol_and_port() {
    let what = |protocol: &[&str], port: bool| What {
        protocol: protocol.iter().map(|p| (*p).to_owned()).collect(),
        port: if port { vec![22..=22] } else { Vec::new() },
        ..What::default()
    };
    for (protocol, port, want) in [
        (&["opaque"][..], true, true),
        (&["ssh"], true, true),
        (&["ssh"], false, false),
        (&[], true, false),
        (&["http"], true, false),
        (&["http", "tls"], true, true),
    ] {
        assert_eq!(
            what(protocol, port).names_opaque(),
            want,
            "{protocol:?} {port}"
        );
    }
}

#[test]
fn a_status_that_is_to_come_speaks_for_the_request_and_one_that_is_not_told_for_neither() {
    let what = What {
        http: Some(Http {
            status: vec![404..=404, 500..=599],
            ..Http::default()
        }),
        ..What::default()
    };
    let request = request("GET", "/", &[]);
    for (status, opens, closes) in [
        (Status::ToCome, True, False),
        (Status::Unknown, Unknown, Unknown),
        (Status::Known(403), False, False),
        (Status::Known(404), True, True),
        (Status::Known(405), False, False),
        (Status::Known(499), False, False),
        (Status::Known(500), True, True),
        (Status::Known(599), True, True),
    ] {
        let asked = Asked::Http(&request, status);
        let got = (
            asked_truth(&what, &asked, Side::Opens),
            asked_truth(&what, &asked, Side::Closes),
        );
        assert_eq!(got, (opens, closes), "{status:?}");
    }
}
