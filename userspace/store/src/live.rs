//! Sessions that are not in the index yet: the open ones, and those closed a moment ago.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use sluice_flow::{Event, EventKind, SessionId, SessionSummary};

use crate::frame::NONE;

/// A session as far as the log has it.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) summary: SessionSummary,
    /// Position of its last record; the others are found from there.
    pub(crate) last: u64,
    /// Number that its next event gets.
    pub(crate) next: u64,
}

impl Folded {
    pub(crate) fn starting_with(event: &Event) -> Self {
        Self {
            summary: SessionSummary::new(event.session, event.at),
            last: NONE,
            next: 0,
        }
    }

    pub(crate) fn take(&mut self, event: &Event, position: u64) {
        self.summary.apply(event);
        self.last = position;
        self.next = event.seq.saturating_add(1);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.summary.outcome.is_some()
    }
}

/// Whether the event ends its session.
pub(crate) fn ends(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Closed { .. })
}

/// One session that the index has not taken in.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) id: SessionId,
    /// No record of it is before this position.
    pub(crate) since: u64,
    pub(crate) folded: Mutex<Folded>,
}

#[derive(Debug, Default)]
struct Queue {
    closed: Vec<Arc<Live>>,
    stop: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct LiveSessions {
    sessions: Mutex<HashMap<SessionId, Arc<Live>>>,
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl LiveSessions {
    /// A session whose first event is about to be written. `end` tells where the log ends; it
    /// is asked under the lock, so that [`Self::oldest`] never overlooks a session.
    pub(crate) fn open(&self, first: &Event, end: impl FnOnce() -> u64) -> Arc<Live> {
        let mut sessions = self.sessions.lock();
        let live = Arc::new(Live {
            id: first.session,
            since: end(),
            folded: Mutex::new(Folded::starting_with(first)),
        });
        sessions.insert(first.session, Arc::clone(&live));
        live
    }

    /// Forgets a session: the index has it, or nothing of it was written.
    pub(crate) fn forget(&self, id: SessionId) {
        self.sessions.lock().remove(&id);
    }

    /// Hands a closed session to the index; gives how many wait for it.
    pub(crate) fn closed(&self, live: Arc<Live>) -> usize {
        let mut queue = self.queue.lock();
        queue.closed.push(live);
        if queue.closed.len() == 1 {
            self.wake.notify_one();
        }
        queue.closed.len()
    }

    /// The closed sessions that wait for the index.
    pub(crate) fn take_closed(&self) -> Vec<Arc<Live>> {
        std::mem::take(&mut self.queue.lock().closed)
    }

    /// Waits until there are closed sessions; `false` when it is over.
    pub(crate) fn wait(&self) -> bool {
        let mut queue = self.queue.lock();
        while queue.closed.is_empty() && !queue.stop {
            self.wake.wait(&mut queue);
        }
        !queue.stop
    }

    /// Waits some time, or until it is over: closed sessions go to the index in groups.
    pub(crate) fn linger(&self, time: std::time::Duration) {
        let mut queue = self.queue.lock();
        if !queue.stop {
            self.wake.wait_for(&mut queue, time);
        }
    }

    pub(crate) fn stop(&self) {
        self.queue.lock().stop = true;
        self.wake.notify_all();
    }

    /// No session that the index lacks has a record before this position; `end` where there
    /// is none. `end` must have been read before.
    pub(crate) fn oldest(&self, end: u64) -> u64 {
        let sessions = self.sessions.lock();
        sessions.values().map(|live| live.since).fold(end, u64::min)
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<Folded> {
        let live = self.sessions.lock().get(&id).cloned()?;
        let folded = live.folded.lock().clone();
        (folded.last != NONE).then_some(folded)
    }

    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.sessions.lock().contains_key(&id)
    }

    pub(crate) fn all(&self) -> Vec<SessionSummary> {
        let sessions: Vec<_> = self.sessions.lock().values().cloned().collect();
        let folded = sessions.iter().map(|live| live.folded.lock());
        folded
            .filter(|folded| folded.last != NONE)
            .map(|folded| folded.summary.clone())
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().len()
    }
}
