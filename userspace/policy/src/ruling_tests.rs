use std::time::Duration;

use sluice_flow::verdict::Remember;

use super::*;

fn terms(from: &[&str]) -> ApprovalTerms {
    ApprovalTerms {
        from: from.iter().map(|g| (*g).to_owned()).collect(),
        count: 1,
        timeout: Duration::from_secs(600),
        remember: Remember::Operation,
        reason_required: false,
        message: None,
        escalate: None,
    }
}

#[test]
fn two_askers_are_asked_together() {
    for (a, b, want) in [
        (&["dba"][..], &["dba", "sec"][..], Some(&["dba"][..])),
        (&["dba", "sec"], &["sec", "dba"], Some(&["dba", "sec"])),
        (&[], &["sec"], Some(&["sec"])),
        (&["dba"], &[], Some(&["dba"])),
        (&[], &[], Some(&[])),
        (&["dba"], &["sec"], None),
    ] {
        let joined = both(terms(a), terms(b)).map(|terms| terms.from);
        let want = want.map(|w| w.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>());
        assert_eq!(joined, want, "{a:?} {b:?}");
    }
}

#[test]
fn the_strictest_of_all_terms() {
    let a = ApprovalTerms {
        count: 2,
        remember: Remember::Job,
        message: Some("a".to_owned()),
        ..terms(&["dba"])
    };
    let b = ApprovalTerms {
        timeout: Duration::from_secs(60),
        remember: Remember::Flow,
        reason_required: true,
        message: Some("b".to_owned()),
        ..terms(&["dba"])
    };
    let want = ApprovalTerms {
        count: 2,
        timeout: Duration::from_secs(60),
        remember: Remember::Flow,
        reason_required: true,
        message: Some("a; b".to_owned()),
        ..terms(&["dba"])
    };
    assert_eq!(both(a.clone(), b.clone()), Some(want.clone()));
    let turned = both(b, a).unwrap();
    assert_eq!(
        ApprovalTerms {
            message: want.message.clone(),
            ..turned
        },
        want
    );
}

#[test]
fn others_are_asked_when_all_rules_ask_them() {
    let escalation = |minutes: u64, to: &[&str]| Escalation {
        after: Duration::from_secs(60 * minutes),
        to: to.iter().map(|g| (*g).to_owned()).collect(),
    };
    for (a, b, want) in [
        (
            Some(escalation(1, &["leads", "ops"])),
            Some(escalation(2, &["leads"])),
            Some(escalation(2, &["leads"])),
        ),
        (
            Some(escalation(1, &["leads"])),
            Some(escalation(1, &["ops"])),
            None,
        ),
        (Some(escalation(1, &["leads"])), None, None),
        (None, None, None),
    ] {
        let with = |escalate| ApprovalTerms {
            escalate,
            ..terms(&["dba"])
        };
        assert_eq!(both(with(a), with(b)).unwrap().escalate, want);
    }
}

#[test]
fn ranks_of_layers() {
    let of = |layer, rank| Ruling {
        layer: Some(layer),
        ..Ruling::of(layer, rank, SmallVec::new())
    };
    for (upper, lower, rank, layer) in [
        (Rank::Allow, Rank::Deny, Rank::Deny, Layer::Repository),
        (Rank::Deny, Rank::Allow, Rank::Deny, Layer::Host),
        (Rank::Approve, Rank::Allow, Rank::Approve, Layer::Host),
        (Rank::Allow, Rank::Allow, Rank::Allow, Layer::Repository),
        (Rank::Deny, Rank::Deny, Rank::Deny, Layer::Host),
        (Rank::Approve, Rank::Approve, Rank::Approve, Layer::Host),
    ] {
        let ruling = of(Layer::Host, upper).strictest_layer(of(Layer::Repository, lower));
        assert_eq!(
            (ruling.rank, ruling.layer),
            (rank, Some(layer)),
            "{upper:?} {lower:?}"
        );
    }
}

#[test]
fn nothing_judged_is_refused() {
    assert_eq!(Judged::default().enforced.rank, Rank::Deny);
}
