//! The account of one flow: its log, what passed, and its one closing record.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use sluice_flow::gate::Direction;
use sluice_flow::ports::{RecordError, SessionLog};
use sluice_flow::session::Outcome;
use sluice_flow::{EventKind, SessionId};
use tokio::sync::Notify;

use crate::desk::Desk;
use crate::job::OpenFlow;

/// The log of the flow's session. The gate and a held operation's answer both write it.
#[derive(Clone)]
pub(crate) struct Log(Rc<RefCell<Numbered>>);

/// The log, and the number that its next event gets: numbers have no gaps.
struct Numbered {
    log: Box<dyn SessionLog>,
    next: u64,
    /// Events wait for the next write.
    waits: bool,
}

/// How long an event that nothing waits for may wait for others.
const LATER: Duration = Duration::from_millis(100);

thread_local! {
    /// Logs of this thread in which events wait.
    static WAITING: RefCell<Vec<Weak<RefCell<Numbered>>>> = const { RefCell::new(Vec::new()) };
    static WAKE: Rc<Notify> = Rc::default();
}

/// Writes the events of this thread that wait, some time after the first of them came.
pub(crate) async fn write_waiting() {
    let wake = WAKE.with(Rc::clone);
    loop {
        wake.notified().await;
        tokio::time::sleep(LATER).await;
        for waiting in WAITING.take() {
            if let Some(log) = waiting.upgrade()
                && let Err(error) = Log(log).append(Vec::new())
            {
                tracing::error!(%error, "events are not in the record");
            }
        }
    }
}

impl Log {
    pub(crate) fn new(log: Box<dyn SessionLog>) -> Self {
        Self(Rc::new(RefCell::new(Numbered {
            log,
            next: 0,
            waits: false,
        })))
    }

    pub(crate) fn id(&self) -> SessionId {
        self.0.borrow().log.id()
    }

    pub(crate) fn append(&self, events: Vec<EventKind>) -> Result<(), RecordError> {
        let mut numbered = self.0.borrow_mut();
        let count = events.len() as u64;
        numbered.waits = false;
        let first = numbered.log.append(events)?;
        numbered.next = first.saturating_add(count);
        Ok(())
    }

    /// Takes an event that nothing waits for: it is written with the next, or soon.
    fn later(&self, event: EventKind) {
        let mut numbered = self.0.borrow_mut();
        numbered.next = numbered.log.later(event).saturating_add(1);
        if !std::mem::replace(&mut numbered.waits, true) {
            WAITING.with_borrow_mut(|waiting| waiting.push(Rc::downgrade(&self.0)));
            WAKE.with(|wake| wake.notify_one());
        }
    }

    /// The number of the event that is appended next.
    pub(crate) fn next(&self) -> u64 {
        self.0.borrow().next
    }

    pub(crate) async fn synced(&self) -> Result<(), RecordError> {
        let synced = self.0.borrow().log.synced();
        synced.await
    }
}

/// What is left to say of a flow when nothing more is judged on it.
pub(crate) struct Account {
    pub(crate) log: Log,
    pub(crate) desk: Arc<Desk>,
    up: u64,
    down: u64,
    refused: bool,
    _open: OpenFlow,
}

impl Account {
    pub(crate) fn new(log: Log, desk: Arc<Desk>, open: OpenFlow) -> Self {
        Self {
            log,
            desk,
            up: 0,
            down: 0,
            refused: false,
            _open: open,
        }
    }

    /// Something was refused on it.
    pub(crate) fn refused(&mut self) {
        self.refused = true;
    }

    /// Counts bytes that passed.
    pub(crate) fn passed(&mut self, direction: Direction, bytes: u64) {
        match direction {
            Direction::Up => self.up = self.up.saturating_add(bytes),
            Direction::Down => self.down = self.down.saturating_add(bytes),
        }
    }

    /// Puts on record what came of an operation: it may reach the log a moment later.
    pub(crate) fn note_later(&self, event: EventKind) {
        self.log.later(event);
    }

    /// Writes an event that nothing waits for. Where the log is gone the next judgement
    /// refuses; bytes that were let pass before are not taken back.
    pub(crate) fn note(&self, event: EventKind) {
        if let Err(error) = self.log.append(vec![event]) {
            tracing::error!(%error, session = %self.log.id(), "an event is not in the record");
        }
    }

    /// Writes the closing record: exactly one a flow.
    pub(crate) fn close(self, outcome: Outcome) {
        self.desk.forget_flow(self.log.id());
        let outcome = if self.refused && outcome == Outcome::Closed {
            Outcome::Refused
        } else {
            outcome
        };
        self.note(EventKind::Closed {
            outcome,
            bytes_up: self.up,
            bytes_down: self.down,
        });
    }
}
