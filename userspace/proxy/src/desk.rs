//! Where held operations wait until people answer.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use sluice_flow::JobId;
use sluice_flow::SessionId;
use sluice_flow::ports::{AnswerError, ApprovalDesk, Held, Person};
use sluice_flow::session::ApprovalId;
use sluice_flow::verdict::Remember;
use tokio::sync::mpsc;

use crate::limits::{MAX_HELD, MAX_HELD_PER_JOB, MAX_REMEMBERED};

/// One answer that counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Who.
    pub(crate) by: String,
    /// What they said.
    pub(crate) reason: Option<String>,
    /// Yes or no.
    pub(crate) agree: bool,
    /// Whether it decides.
    pub(crate) last: bool,
}

struct Waiting {
    held: Held,
    /// Uids of those who agreed.
    agreed: HashSet<u32>,
    answers: mpsc::UnboundedSender<Counted>,
}

/// What an approval is remembered for: the digest of the operation, in one flow or one job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Memory {
    Flow(SessionId, String),
    Job(JobId, String),
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<ApprovalId, Waiting>,
    remembered: HashSet<Memory>,
}

/// The desk: one a daemon.
#[derive(Default)]
pub struct Desk {
    state: Mutex<State>,
}

/// Why an operation cannot wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeskFull {
    pub(crate) limit: usize,
}

/// A place at the desk; dropping it takes the request back.
pub(crate) struct Place {
    desk: Arc<Desk>,
    id: ApprovalId,
    /// What people answer. The sender lives at the desk; a withdrawn request has none.
    pub(crate) answers: mpsc::UnboundedReceiver<Counted>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.state.lock().waiting.remove(&self.id);
    }
}

impl Desk {
    /// Puts an operation where people see it.
    pub(crate) fn ask(self: &Arc<Self>, held: Held) -> Result<Place, DeskFull> {
        let mut state = self.state.lock();
        if state.waiting.len() >= MAX_HELD {
            return Err(DeskFull { limit: MAX_HELD });
        }
        let of_job = state
            .waiting
            .values()
            .filter(|w| w.held.job.id == held.job.id)
            .count();
        if of_job >= MAX_HELD_PER_JOB {
            return Err(DeskFull {
                limit: MAX_HELD_PER_JOB,
            });
        }
        let (sender, answers) = mpsc::unbounded_channel();
        let id = held.id;
        state.waiting.insert(
            id,
            Waiting {
                held,
                agreed: HashSet::new(),
                answers: sender,
            },
        );
        Ok(Place {
            desk: Arc::clone(self),
            id,
            answers,
        })
    }

    /// Whether the very same operation was approved before, and that was to be remembered.
    pub(crate) fn remembers(&self, session: SessionId, job: JobId, digest: &str) -> bool {
        let state = self.state.lock();
        state
            .remembered
            .contains(&Memory::Flow(session, digest.to_owned()))
            || state
                .remembered
                .contains(&Memory::Job(job, digest.to_owned()))
    }

    /// Forgets what was approved for a flow that ended.
    pub(crate) fn forget_flow(&self, session: SessionId) {
        let mut state = self.state.lock();
        state
            .remembered
            .retain(|m| !matches!(m, Memory::Flow(of, _) if *of == session));
    }

    /// Forgets what was approved for a job that ended.
    pub fn forget_job(&self, job: JobId) {
        let mut state = self.state.lock();
        state
            .remembered
            .retain(|m| !matches!(m, Memory::Job(of, _) if *of == job));
    }
}

impl ApprovalDesk for Desk {
    fn held(&self) -> Vec<Held> {
        self.state
            .lock()
            .waiting
            .values()
            .map(|waiting| waiting.held.clone())
            .collect()
    }

    fn answer(
        &self,
        id: ApprovalId,
        person: &Person,
        agree: bool,
        reason: Option<&str>,
    ) -> Result<u32, AnswerError> {
        let mut state = self.state.lock();
        let waiting = state.waiting.get_mut(&id).ok_or(AnswerError::Unknown)?;
        check(waiting, person, agree, reason)?;
        let still_needed = count(waiting, person, agree, reason);
        if still_needed == 0 {
            let held = waiting.held.clone();
            state.waiting.remove(&id);
            if agree {
                remember(&mut state, &held);
            }
        }
        Ok(still_needed)
    }
}

/// Whether this person's answer counts at all.
fn check(
    waiting: &Waiting,
    person: &Person,
    agree: bool,
    reason: Option<&str>,
) -> Result<(), AnswerError> {
    let terms = &waiting.held.terms;
    let now = Timestamp::now();
    if waiting.held.expires <= now {
        return Err(AnswerError::Unknown);
    }
    let groups = waiting.held.groups(now);
    if !person.groups.iter().any(|group| groups.contains(group)) {
        return Err(AnswerError::NotAsked(groups));
    }
    if agree && person.uid == waiting.held.job.uid {
        return Err(AnswerError::OwnJob);
    }
    if agree && waiting.agreed.contains(&person.uid) {
        return Err(AnswerError::Twice(terms.count));
    }
    if terms.reason_required && reason.is_none_or(|text| text.trim().is_empty()) {
        return Err(AnswerError::NoReason);
    }
    Ok(())
}

/// Counts an answer; gives how many more people it takes.
fn count(waiting: &mut Waiting, person: &Person, agree: bool, reason: Option<&str>) -> u32 {
    let needed = waiting.held.terms.count.max(1);
    let still_needed = if agree {
        waiting.agreed.insert(person.uid);
        waiting.held.agreed.push(person.name.clone());
        needed.saturating_sub(u32::try_from(waiting.agreed.len()).unwrap_or(u32::MAX))
    } else {
        0
    };
    let counted = Counted {
        by: person.name.clone(),
        reason: reason.map(str::to_owned),
        agree,
        last: still_needed == 0,
    };
    // The flow may have ended this moment; then nobody waits for the answer.
    let _ = waiting.answers.send(counted);
    still_needed
}

fn remember(state: &mut State, held: &Held) {
    if state.remembered.len() >= MAX_REMEMBERED {
        return;
    }
    let digest = held.operation.digest.clone();
    match held.terms.remember {
        Remember::Operation => {}
        Remember::Flow => drop(state.remembered.insert(Memory::Flow(held.session, digest))),
        Remember::Job => drop(state.remembered.insert(Memory::Job(held.job.id, digest))),
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
