use proptest::prelude::*;

use super::*;

fn glob(text: &str, parts: Parts) -> Glob {
    Glob::new(text, parts).unwrap()
}

#[test]
fn paths() {
    for (pattern, subject, want) in [
        ("/usr/bin/psql", "/usr/bin/psql", true),
        ("/usr/bin/psql", "/usr/bin/psql2", false),
        ("**/psql", "/usr/bin/psql", true),
        ("**/psql", "psql", true),
        ("**/psql", "/usr/bin/xpsql", false),
        ("**/psql", "xpsql", false),
        ("**psql", "/usr/bin/xpsql", true),
        ("/usr/*/psql", "/usr/bin/psql", true),
        ("/usr/*/psql", "/usr/local/bin/psql", false),
        ("/usr/*/psql", "/usr//psql", true),
        ("/a/**/b", "/a/b", true),
        ("/a/**/b", "/a/x/b", true),
        ("/a/**/b", "/a/x/y/b", true),
        ("/a/**/b", "/a/xb", false),
        ("/a/**/b", "/ab", false),
        ("/a**/b", "/ab/b", true),
        ("/a**/b", "/ab", false),
        ("/repos/acme/**", "/repos/acme/x/y", true),
        ("/repos/acme/**", "/repos/acme/", true),
        ("/repos/acme/**", "/repos/acme", false),
        ("/repos/acme/**", "/repos/acme-evil/x", false),
        ("refs/heads/**", "refs/heads/feature/x", true),
        ("refs/heads/*", "refs/heads/feature/x", false),
        ("**/**/x", "x", true),
        ("**/**/x", "a/b/x", true),
        ("/**/a/**/b", "/q/a/z/b", true),
        ("/**/a/**/b", "/a/b", true),
        ("*", "a", true),
        ("*", "a/b", false),
        ("**", "a/b", true),
        ("a*b*c", "aXbYc", true),
        ("a*b*c", "aXb/Yc", false),
        ("a**b*c", "a/Xb/bYc", true),
        ("*.sh", "deploy.sh", true),
        ("*.sh", ".sh", true),
        ("[ab]?{c}", "[ab]?{c}", true),
        ("[ab]", "a", false),
    ] {
        assert_eq!(
            glob(pattern, Parts::Path).matches(subject),
            want,
            "{pattern} on {subject}"
        );
    }
}

#[test]
fn dotted_names() {
    for (pattern, subject, want) in [
        ("payments.*", "payments.cards", true),
        ("payments.*", "payments.a.b", false),
        ("payments.*", "cards", false),
        ("*.example.com", "a.example.com", true),
        ("*.example.com", "a.b.example.com", false),
        ("*.example.com", "example.com", false),
        ("**.example.com", "a.b.example.com", true),
        ("**.example.com", "example.com", false),
        ("a*.example.com", "ab.example.com", true),
        ("*.*.example.com", "a.b.example.com", true),
        ("a.**.z", "a.b.c.z", true),
        ("a.**.z", "a.z", false),
    ] {
        assert_eq!(
            glob(pattern, Parts::Dotted).matches(subject),
            want,
            "{pattern} on {subject}"
        );
    }
}

#[test]
fn one_part_has_no_borders() {
    assert!(glob("app*", Parts::One).matches("app.a/b"));
    assert!(glob("*", Parts::One).matches_all());
    assert!(glob("**", Parts::Path).matches_all());
    assert!(!glob("*", Parts::Path).matches_all());
    assert!(!glob("a", Parts::One).matches_all());
}

#[test]
fn what_it_is_is_told() {
    assert_eq!(glob("a/b", Parts::Path).exact(), Some("a/b"));
    assert_eq!(glob("a/*", Parts::Path).exact(), None);
    assert_eq!(glob("a/*", Parts::Path).to_string(), "a/*");
}

#[test]
fn limits() {
    let of = |n: usize| Glob::new(&"a".repeat(n), Parts::Path);
    assert!(of(MAX_GLOB_BYTES).is_ok());
    assert_eq!(
        of(MAX_GLOB_BYTES + 1),
        Err(GlobError::TooLong(MAX_GLOB_BYTES + 1))
    );
    assert_eq!(of(0), Err(GlobError::Empty));
    let between = |n: usize| Glob::new(&format!("*{}*", "a".repeat(n - 2)), Parts::Path);
    let longest = between(MAX_GLOB_MIDDLE).unwrap();
    assert!(longest.matches(&"a".repeat(MAX_GLOB_MIDDLE)));
    assert!(!longest.matches(&"a".repeat(MAX_GLOB_MIDDLE - 3)));
    assert_eq!(
        between(MAX_GLOB_MIDDLE + 1),
        Err(GlobError::TooLongBetweenWildcards(MAX_GLOB_MIDDLE + 1))
    );
}

#[test]
fn a_hostile_text_costs_one_pass() {
    // With backtracking this would not end.
    let pattern = glob(&"*a".repeat(50), Parts::Path);
    assert!(!pattern.matches(&format!("{}b", "a".repeat(100_000))));
}

/// What globs mean, without cleverness.
fn means(pattern: &[u8], subject: &[u8], start: bool) -> bool {
    match pattern {
        [] => subject.is_empty(),
        [b'*', b'*', b'*', ..] => means(&pattern[1..], subject, start),
        [b'*', b'*', rest @ ..] => {
            let skipped = start && rest.first() == Some(&b'/') && means(&rest[1..], subject, true);
            skipped || (0..=subject.len()).any(|n| means(rest, &subject[n..], false))
        }
        [b'*', rest @ ..] => (0..=subject.len())
            .take_while(|n| !subject[..*n].contains(&b'/'))
            .any(|n| means(rest, &subject[n..], false)),
        [byte, rest @ ..] => {
            subject.first() == Some(byte) && means(rest, &subject[1..], *byte == b'/')
        }
    }
}

proptest! {
    #[test]
    fn the_automaton_is_what_globs_mean(pattern in "[ab/*]{1,9}", subject in "[ab/]{0,10}") {
        let want = means(pattern.as_bytes(), subject.as_bytes(), true);
        prop_assert_eq!(glob(&pattern, Parts::Path).matches(&subject), want);
    }

    #[test]
    fn no_text_breaks_it(pattern in "\\PC{1,80}", subject in "\\PC*") {
        if let Ok(glob) = Glob::new(&pattern, Parts::Dotted) {
            let _ = glob.matches(&subject);
        }
    }
}
