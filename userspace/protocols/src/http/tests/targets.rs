//! What a policy is asked about a target.

use super::super::error::Fault;
use super::super::target::parse;

#[test]
fn spellings_of_one_path_are_judged_as_one() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/a/b/", "/a/b/", None),
        ("/%61%2d%7E", "/a-~", None),
        ("/a%40b/@c", "/a@b/@c", None),
        ("/a%20b", "/a%20b", None),
        ("/a%c3%bc", "/a%C3%BC", None),
        (
            "/a|b[c]{d}\"<>^`",
            "/a%7Cb%5Bc%5D%7Bd%7D%22%3C%3E%5E%60",
            None,
        ),
        ("/group%2fproject", "/group%2Fproject", None),
        ("/a;b=1", "/a;b=1", None),
        ("/a%3Bb", "/a%3Bb", None),
        ("/a%252e%252e/b", "/a%25252e%25252e/b", None),
        ("/...", "/...", None),
        ("/.a/..b/c.", "/.a/..b/c.", None),
        ("/a?b=../c&d=%2e", "/a", Some("b=../c&d=%2e")),
        ("/a?", "/a", Some("")),
        ("/a??", "/a", Some("?")),
        ("/a%3Fb", "/a%3Fb", None),
    ] {
        // An encoded percent sign stays encoded.
        let path = path.replace("%25252e", "%252e");
        let read = parse("GET", target).unwrap();
        assert_eq!(
            (read.path, read.query.as_deref()),
            (path, query),
            "{target}"
        );
    }
}

#[test]
fn what_servers_route_differently_is_refused() {
    for (target, why) in [
        ("/a/../b", "a dot segment"),
        ("/a/..", "a dot segment"),
        ("/./a", "a dot segment"),
        ("/a/%2e%2E/b", "a dot segment"),
        ("/a/.%2e/b", "a dot segment"),
        ("/a/..;x=1/b", "a dot segment"),
        ("/a/..%3Bx/b", "a dot segment"),
        ("/a%2F..%2Fb", "a dot segment"),
        ("/a/..%2fb", "a dot segment"),
        ("//a", "an empty segment"),
        ("/a//b", "an empty segment"),
        ("/a\\b", "a backslash"),
        ("/a%5Cb", "a backslash"),
        ("/a%5c..%5cb", "a backslash"),
        ("/a%00", "an encoded control character"),
        ("/a%0d%0aX:1", "an encoded control character"),
        ("/a%7f", "an encoded control character"),
        ("/a%", "broken percent-encoding"),
        ("/a%4", "broken percent-encoding"),
        ("/a%zz", "broken percent-encoding"),
        ("/a%+1", "broken percent-encoding"),
        ("/a#b", "a fragment"),
        ("/\u{e4}", "a byte that is no visible ASCII"),
        ("/a?b\u{e4}", "a byte that is no visible ASCII"),
        ("*", "`*` is for OPTIONS"),
        ("a/b", "neither a path nor an http:// address"),
        (
            "https://example.com/",
            "neither a path nor an http:// address",
        ),
        (
            "ftp://example.com/",
            "neither a path nor an http:// address",
        ),
        ("http://example.com?x", "an address without a path"),
        ("", "neither a path nor an http:// address"),
    ] {
        assert_eq!(parse("GET", target), Err(Fault::Target(why)), "{target}");
    }
}

#[test]
fn absolute_and_asterisk_forms() {
    let read = parse("GET", "HTTP://Example.com:80/a?b").unwrap();
    assert_eq!(read.authority.as_deref(), Some("example.com:80"));
    assert_eq!(
        (read.path.as_str(), read.query.as_deref()),
        ("/a", Some("b"))
    );
    assert_eq!(parse("GET", "http://example.com").unwrap().path, "/");
    assert_eq!(parse("OPTIONS", "*").unwrap().path, "*");
    assert_eq!(parse("CONNECT", "example.com:443"), Err(Fault::Connect));
    assert_eq!(parse("CONNECT", "/a"), Err(Fault::Connect));
}
