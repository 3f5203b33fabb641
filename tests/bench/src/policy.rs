//! A policy of a hundred rules: those that the load needs, among rules of other pipelines.

use std::fmt::Write as _;

use sluice_harness::REMOTE;

/// Rules of the generated policy.
pub(crate) const RULES: usize = 100;

/// A policy of [`RULES`] rules that allows `needed` (the `what` of a rule each, without braces),
/// and masks what goes to and comes from `masked` ports.
///
/// The other rules are of the kinds that a shared policy has. Those that refuse name addresses
/// of documentation, because a refusal whose host is unknown would match our numeric flows.
pub(crate) fn hundred_rules(needed: &[String], masked: &[u16]) -> String {
    let mut text = "version: 1\nname: bench\ndefault: deny\nrules:\n".to_owned();
    let others = RULES.saturating_sub(needed.len());
    for number in 0..others {
        let _ = writeln!(text, "  - {}", other_rule(number));
    }
    for (number, what) in needed.iter().enumerate() {
        let _ = writeln!(
            text,
            "  - {{ name: needed-{number}, what: {{ cidr: {REMOTE}, {what} }}, then: allow }}"
        );
    }
    if !masked.is_empty() {
        let _ = writeln!(
            text,
            "mask:\n  - name: everything\n    what: {{ port: {masked:?} }}\n    \
             detect: [secret, email, credit_card, iban]\n    with: redact"
        );
    }
    text.push_str("record: { payload: statements }\n");
    text
}

fn other_rule(number: usize) -> String {
    let name = format!("name: other-{number}");
    let address = number % 250 + 1;
    match number % 5 {
        0 => format!(
            "{{ {name}, what: {{ host: \"s{number}.example.com\", http: {{ method: [GET, HEAD], path: \"/packages/**\" }} }}, then: allow }}"
        ),
        1 => format!(
            "{{ {name}, who: {{ exe: \"**/tool-{number}\" }}, what: {{ http: {{ path: \"/repos/o{number}/**\" }} }}, then: allow }}"
        ),
        2 => format!(
            "{{ {name}, what: {{ postgres: {{ effect: [read], table: [\"t{number}.*\"] }} }}, then: allow }}"
        ),
        3 => format!(
            "{{ {name}, what: {{ cidr: 192.0.2.{address}, port: {port} }}, then: deny }}",
            port = 1000 + number
        ),
        _ => format!(
            "{{ {name}, what: {{ cidr: 203.0.113.{address}, http: {{ method: POST }} }}, then: deny }}"
        ),
    }
}

/// The `what` of an opaque stream to `port`.
pub(crate) fn opaque(port: u16) -> String {
    format!("port: {port}, protocol: opaque")
}

/// The `what` of requests to `port`.
pub(crate) fn http(port: u16) -> String {
    format!("port: {port}, http: {{ method: [GET] }}")
}

/// The `what` of statements to `port`.
pub(crate) fn postgres(port: u16) -> String {
    format!("port: {port}, postgres: {{ effect: [read, write] }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_hundred_rules_whatever_is_needed() {
        for needed in [vec![], vec![opaque(1)], vec![http(2), postgres(3)]] {
            let text = hundred_rules(&needed, &[]);
            assert_eq!(text.matches("name: ").count(), RULES + 1, "{text}");
            assert!(needed.iter().all(|what| text.contains(what)));
            assert!(!text.contains("mask:"));
        }
    }

    #[test]
    fn masking_is_for_the_ports_that_ask_for_it() {
        let text = hundred_rules(&[http(2)], &[2, 3]);
        assert!(text.contains("what: { port: [2, 3] }"), "{text}");
    }

    #[test]
    fn rules_that_refuse_name_an_address() {
        let text = hundred_rules(&[], &[]);
        let refuse = text.lines().filter(|line| line.ends_with("then: deny }"));
        assert!(refuse.clone().count() > 30);
        assert!(refuse.into_iter().all(|line| line.contains("cidr: ")));
    }
}
