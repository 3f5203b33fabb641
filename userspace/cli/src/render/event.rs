//! One event: a word, and what belongs to it.

use anstyle::Style;
use sluice_flow::gate::Direction;
use sluice_flow::session::{ApprovalState, MaskHit, OperationRecord, Outcome};
use sluice_flow::verdict::{Decision, RuleRef, Verdict};
use sluice_flow::{Event, EventKind, SessionOpened, SessionSummary};

use super::chain::{operation_line, operation_text, place, process};
use crate::paper::{Paint, bytes, clock, count, duration, look, one_line, short_id};

/// An event in words.
pub(crate) struct Told {
    /// At most [`WORD`] characters.
    pub(crate) word: &'static str,
    pub(crate) look: Style,
    /// Safe to print; the first is what it is, the others are details.
    pub(crate) lines: Vec<(Style, String)>,
    /// The operation that it is about, where it is about one.
    pub(crate) about: Option<u64>,
}

/// The longest word.
pub(crate) const WORD: usize = 9;

/// Puts an event into words.
pub(crate) fn tell(event: &EventKind) -> Told {
    match event {
        EventKind::Opened(opened) => opened_in_words(opened),
        EventKind::Operation(operation) => operation_in_words(operation),
        EventKind::Verdict {
            operation,
            status,
            because,
            ..
        } => verdict_in_words(*operation, *status, because),
        EventKind::Approval {
            operation,
            approval,
            state,
            by,
            reason,
        } => {
            let asked = (*state == ApprovalState::Requested).then(|| short_id(*approval));
            approval_in_words(*state, asked, by.as_deref(), reason.as_deref()).about(*operation)
        }
        EventKind::Answered {
            operation,
            status,
            tag,
            rows,
        } => Told::new(
            "answered",
            look::DIM,
            answer(*status, tag.as_deref(), *rows),
        )
        .about(*operation),
        EventKind::Masked { operation, hits } => {
            Told::new("masked", look::MASK, masked(hits)).about(*operation)
        }
        EventKind::Payload {
            operation,
            direction,
            text,
            left_out,
        } => payload(*direction, text, *left_out).about(*operation),
        EventKind::Refused {
            refusal,
            kernel,
            expected,
        } => {
            let by = match refusal.rules.as_slice() {
                [] => format!("({})", refusal.cause),
                rules => format!("by {}", names(rules)),
            };
            let told = Told::new(
                "refused",
                look::BAD,
                format!("{by}{}", as_expected(*expected)),
            );
            let hook = kernel.as_ref().map(|kernel| {
                let to = kernel
                    .destination
                    .map(|to| format!(" to {to}"))
                    .unwrap_or_default();
                format!("{} in the kernel at {}{to}", kernel.socket, kernel.hook)
            });
            told.detail(&refusal.message)
                .detail(&hook.unwrap_or_default())
        }
        EventKind::Closed {
            outcome,
            bytes_up,
            bytes_down,
        } => {
            let how = outcome_word(*outcome);
            let text = format!(
                "{how}, {} up, {} down",
                bytes(*bytes_up),
                bytes(*bytes_down)
            );
            Told::new("closed", look::DIM, text)
        }
    }
}

impl Told {
    fn new(word: &'static str, look: Style, text: impl Into<String>) -> Self {
        Self {
            word,
            look,
            lines: vec![(look::PLAIN, one_line(&text.into()))],
            about: None,
        }
    }

    fn about(mut self, operation: u64) -> Self {
        self.about = Some(operation);
        self
    }

    fn detail(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.lines.push((look::DIM, one_line(text)));
        }
        self
    }
}

fn opened_in_words(opened: &SessionOpened) -> Told {
    let to = opened.destination.as_ref().map_or_else(
        || "a connection that the kernel knows nothing of".to_owned(),
        |to| match &to.host {
            Some(host) => format!("to {host}:{}", to.port),
            None => format!("to {}", to.address()),
        },
    );
    Told::new("opened", look::DIM, to)
}

fn operation_in_words(operation: &OperationRecord) -> Told {
    let word = match operation.protocol.as_str() {
        "http" => "request",
        "postgres" => "query",
        "dns" => "question",
        _ => "stream",
    };
    let text = operation_text(operation);
    let mut told = Told::new(word, look::HEAD, "");
    told.lines = text
        .trim_end()
        .lines()
        .map(|line| (look::HEAD, one_line(line)))
        .collect();
    let told = told.detail(&facts(operation));
    let answered = answer(operation.status, operation.tag.as_deref(), operation.rows);
    match answered.as_str() {
        "" => told,
        answered => told.detail(&format!("→ {answered}")),
    }
}

/// What the gate made of an operation, beside its text.
pub(crate) fn facts(operation: &OperationRecord) -> String {
    let mut facts: Vec<String> = Vec::new();
    if let Some(effect) = operation.effect {
        facts.push(format!("effect {}", effect_word(effect)));
    }
    if let Some(tables) = operation
        .tables
        .as_ref()
        .filter(|tables| !tables.is_empty())
    {
        facts.push(format!("tables {}", tables.join(", ")));
    }
    let named = [
        ("via", &operation.via),
        ("database", &operation.database),
        ("user", &operation.user),
        ("host", &operation.host),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    facts.extend(named.map(|(name, value)| format!("{name} {value}")));
    if let (Some(bytes), Some(sha256)) = (operation.body_bytes, &operation.body_sha256) {
        facts.push(format!("body of {bytes} bytes, sha256:{sha256}"));
    }
    facts.join(" · ")
}

fn effect_word(effect: sluice_flow::Effect) -> &'static str {
    use sluice_flow::Effect;
    match effect {
        Effect::Read => "read",
        Effect::Write => "write",
        Effect::Ddl => "ddl",
        Effect::Admin => "admin",
        Effect::Unknown => "unknown",
    }
}

fn verdict_in_words(operation: u64, answer: Option<u16>, verdict: &Verdict) -> Told {
    let word = verdict.decision.word();
    let answer = answer.map(|status| format!("the answer {status} "));
    let by = format!(
        "{}by {}{}",
        answer.unwrap_or_default(),
        names(&verdict.rules),
        as_expected(verdict.expected)
    );
    let told = Told::new(word, look::verdict(word), by).about(operation);
    let shadow = verdict.would_be.as_ref().map(|decision| {
        format!(
            "shadow: it would be {}; nothing is enforced by this rule yet",
            decision.word()
        )
    });
    let told = told.detail(&shadow.unwrap_or_default());
    match &verdict.decision {
        // The refusal that follows says why.
        Decision::Allow | Decision::Deny => told,
        Decision::Approve(terms) => told.detail(&asked_of(terms)),
    }
}

/// Who must agree, and until when.
pub(crate) fn asked_of(terms: &sluice_flow::ApprovalTerms) -> String {
    let people = match terms.count {
        1 => "1 person".to_owned(),
        n => format!("{n} people"),
    };
    let within = jiff::SignedDuration::try_from(terms.timeout).unwrap_or(jiff::SignedDuration::MAX);
    let others = terms.escalate.as_ref().map(|escalation| {
        let after = jiff::SignedDuration::try_from(escalation.after);
        let after = duration(after.unwrap_or(jiff::SignedDuration::MAX));
        format!(", after {after} of {} too", escalation.to.join(" or "))
    });
    format!(
        "{people} of {} within {}{}",
        terms.from.join(" or "),
        duration(within),
        others.unwrap_or_default()
    )
}

fn approval_in_words(
    state: ApprovalState,
    asked: Option<String>,
    by: Option<&str>,
    reason: Option<&str>,
) -> Told {
    let (word, look) = match state {
        ApprovalState::Requested => ("held", look::WAIT),
        ApprovalState::Agreed => ("agreed", look::WAIT),
        ApprovalState::Approved => ("approved", look::GOOD),
        ApprovalState::Denied => ("denied", look::BAD),
        ApprovalState::TimedOut => ("timed out", look::BAD),
        ApprovalState::Withdrawn => ("withdrawn", look::DIM),
    };
    let mut said: Vec<String> = Vec::new();
    said.extend(asked.map(|id| format!("request {id}")));
    said.extend(by.map(|by| format!("by {by}")));
    said.extend(reason.map(|reason| format!("“{reason}”")));
    Told::new(word, look, said.join(", "))
}

fn answer(status: Option<u16>, tag: Option<&str>, rows: Option<u64>) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(status.map(|status| status.to_string()));
    parts.extend(tag.map(str::to_owned));
    parts.extend(rows.map(|rows| count(rows, "row")));
    parts.join(", ")
}

/// `3 email, 1 credit_card (by cards)`, rule by rule.
fn masked(hits: &[MaskHit]) -> String {
    let mut by_rule: Vec<(&str, Vec<String>)> = Vec::new();
    for hit in hits {
        let what = format!("{} {}", hit.count, hit.detector);
        match by_rule.iter_mut().find(|(rule, _)| *rule == hit.rule) {
            Some((_, found)) => found.push(what),
            None => by_rule.push((&hit.rule, vec![what])),
        }
    }
    let rules = by_rule
        .iter()
        .map(|(rule, found)| format!("{} (by {rule})", found.join(", ")));
    rules.collect::<Vec<_>>().join("; ")
}

fn payload(direction: Direction, text: &str, left_out: u64) -> Told {
    let word = match direction {
        Direction::Up => "sent",
        Direction::Down => "received",
    };
    let mut told = Told::new(word, look::DIM, "");
    told.lines = text
        .lines()
        .map(|line| (look::PLAIN, one_line(line)))
        .collect();
    if left_out > 0 {
        return told.detail(&format!("… and {} that are not kept", bytes(left_out)));
    }
    told
}

pub(crate) fn names(rules: &[RuleRef]) -> String {
    let names: Vec<String> = rules
        .iter()
        .map(|rule| one_line(&rule.to_string()))
        .collect();
    names.join(", ")
}

fn as_expected(expected: bool) -> &'static str {
    if expected { ", as expected" } else { "" }
}

pub(crate) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Closed => "closed",
        Outcome::Refused => "ended by the gate",
        Outcome::Failed => "broken off by a peer",
        Outcome::Aborted => "the daemon went away",
    }
}

/// One event of many sessions, for following: when, which session, who, where to, what.
pub(crate) fn followed(event: &Event, session: &SessionSummary, paint: Paint) -> String {
    let told = tell(&event.kind);
    let what = match &event.kind {
        EventKind::Operation(operation) => operation_line(operation, 100),
        _ => told
            .lines
            .first()
            .map(|(_, line)| line.clone())
            .unwrap_or_default(),
    };
    let who = format!(
        "{} → {}",
        process(session),
        place(session.destination.as_ref())
    );
    format!(
        "{}  {}  {}  {}  {what}\n",
        paint.on(look::DIM, &clock(event.at)),
        paint.on(look::DIM, &short_id(event.session.0)),
        who,
        paint.on(told.look, &format!("{:<WORD$}", told.word)),
    )
}
