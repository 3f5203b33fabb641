//! `store notes`.

use sluice_store::{Note, NoteRecord};

use crate::paper::{count, one_line};

/// Characters of a digest that tell policies apart for a person.
const SHOWN: usize = 12;

/// One line: when, and what.
pub(crate) fn note(record: &NoteRecord) -> String {
    format!("{:.3}  {}\n", record.at, one_line(&what(&record.note)))
}

fn what(note: &Note) -> String {
    match note {
        Note::Started { version, pid } => format!("sluice {version} started, pid {pid}"),
        Note::Stopped { reason } => format!("stopped: {reason}"),
        Note::Policy { name, digest, .. } => format!("policy {name}, digest {}", short(digest)),
        Note::InForce { job, policies } => {
            let whose = match job {
                Some(job) => format!("of job {job}"),
                None => "of the host".to_owned(),
            };
            let names = policies
                .iter()
                .map(|policy| format!("{} {}", policy.layer, short(&policy.digest)));
            match names.collect::<Vec<_>>().join(", ") {
                names if names.is_empty() => format!("in force {whose}: no policy"),
                names => format!("in force {whose}: {names}"),
            }
        }
        Note::KernelRefused {
            job,
            refusal,
            count: refused,
        } => {
            let whose = job.map_or_else(
                || "of no known job".to_owned(),
                |job| format!("of job {job}"),
            );
            format!(
                "{} {whose} counted only; the last: {} of {} ({})",
                count(*refused, "refusal"),
                refusal.hook,
                refusal.socket,
                refusal.reason
            )
        }
        Note::EventsLost { count: lost } => format!(
            "{} of the kernel lost: lineages may not be complete",
            count(*lost, "event")
        ),
        Note::NotEnforced { detail } => format!("not enforced: {detail}"),
        Note::Status { open: true, detail } => format!("the gate opened: {detail}"),
        Note::Status {
            open: false,
            detail,
        } => format!("the gate shut: {detail}"),
        Note::Dropped {
            bytes, sessions, ..
        } => format!(
            "{} of {} went: no policy keeps them (record.keep)",
            count(*bytes, "byte"),
            count(*sessions, "session")
        ),
        Note::Damaged { detail } => format!("the log was found damaged: {detail}"),
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use sluice_flow::JobId;
    use sluice_flow::kernel::KernelRefusal;
    use sluice_store::PolicyInForce;

    use super::*;

    #[test]
    fn each_note_is_one_line() {
        let policy = PolicyInForce {
            layer: "host".to_owned(),
            file: "f".to_owned(),
            digest: "ab".repeat(32),
        };
        let refusal = KernelRefusal {
            hook: "sock_create".to_owned(),
            reason: "socket_kind".to_owned(),
            socket: "inet/raw/icmp".to_owned(),
            destination: None,
        };
        for (note, says) in [
            (
                Note::InForce {
                    job: None,
                    policies: vec![policy],
                },
                "in force of the host: host abababababab",
            ),
            (
                Note::InForce {
                    job: Some(JobId::new()),
                    policies: Vec::new(),
                },
                "no policy",
            ),
            (
                Note::KernelRefused {
                    job: None,
                    refusal,
                    count: 3,
                },
                "3 refusals of no known job counted only; the last: sock_create",
            ),
            (Note::EventsLost { count: 1 }, "1 event of the kernel lost"),
            (
                Note::NotEnforced {
                    detail: "this".to_owned(),
                },
                "not enforced: this",
            ),
            (
                Note::Status {
                    open: false,
                    detail: "a\nb".to_owned(),
                },
                "the gate shut: ",
            ),
        ] {
            let at = Timestamp::UNIX_EPOCH;
            let line = super::note(&NoteRecord { at, note });
            assert!(line.contains(says), "{line}");
            assert_eq!(line.matches('\n').count(), 1, "{line}");
        }
    }
}
