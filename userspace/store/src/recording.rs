//! The log of one session, as the path of a flow holds it.

use std::cell::Cell;
use std::sync::Arc;

use jiff::Timestamp;
use sluice_flow::ports::{RecordError, SessionLog, Synced};
use sluice_flow::session::Outcome;
use sluice_flow::{Event, EventKind, SessionId};

use crate::appender::{Placed, Stream};
use crate::batch::Batch;
use crate::error::{Result, StoreError};
use crate::frame::{Kind, NONE};
use crate::live::{Live, ends};
use crate::store::Inner;

thread_local! {
    /// One buffer a thread: an idle flow costs none.
    static BATCH: Cell<Option<Batch>> = const { Cell::new(None) };
}

/// Gives `write` an empty batch.
pub(crate) fn with_batch<T>(write: impl FnOnce(&mut Batch) -> T) -> T {
    // A thread that ends has no buffer any more.
    let mut batch = BATCH
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_default();
    let written = write(&mut batch);
    batch.clear();
    let _ = BATCH.try_with(|kept| kept.set(Some(batch)));
    written
}

/// One session's log.
pub(crate) struct Recording {
    store: Arc<Inner>,
    id: SessionId,
    /// `None` before the first event and after the last.
    live: Option<Arc<Live>>,
    /// Events that go with the next write.
    later: Vec<Event>,
    next: u64,
    last: u64,
    /// Position behind the last event.
    end: u64,
    closed: bool,
}

impl Recording {
    pub(crate) fn new(store: Arc<Inner>) -> Self {
        Self {
            store,
            id: SessionId::new(),
            live: None,
            later: Vec::new(),
            next: 0,
            last: NONE,
            end: 0,
            closed: false,
        }
    }

    fn write(&mut self, kinds: Vec<EventKind>) -> Result<u64> {
        let first = self.next;
        let closes = kinds.iter().position(ends);
        if self.closed || closes.is_some_and(|at| at + 1 < kinds.len()) {
            return Err(StoreError::SessionClosed);
        }
        let mut events = std::mem::take(&mut self.later);
        let at = Timestamp::now();
        events.extend(kinds.into_iter().map(|kind| self.event(kind, at)));
        let Some(start) = events.first() else {
            return Ok(first);
        };
        let live = self
            .live
            .take()
            .unwrap_or_else(|| self.store.open_session(start));
        match self.place(&events) {
            Ok(placed) => {
                self.written(live, &events, placed, closes.is_some());
                Ok(first)
            }
            Err(error) => {
                self.next = start.seq;
                self.live = Some(live);
                Err(error)
            }
        }
    }

    /// The next event of the session.
    fn event(&mut self, kind: EventKind, at: Timestamp) -> Event {
        let seq = self.next;
        self.next = seq.saturating_add(1);
        Event {
            session: self.id,
            seq,
            at,
            kind,
        }
    }

    fn place(&self, events: &[Event]) -> Result<Placed> {
        with_batch(|batch| {
            for event in events {
                batch.push(Kind::Event, self.id, event.seq, event)?;
            }
            self.store.append(batch, Stream::Session(self.last))
        })
    }

    fn written(&mut self, live: Arc<Live>, events: &[Event], placed: Placed, closes: bool) {
        self.last = placed.last;
        self.end = placed.end;
        let mut folded = live.folded.lock();
        for event in events {
            folded.take(event, placed.last);
        }
        drop(folded);
        if closes {
            self.closed = true;
            self.store.session_closed(live);
        } else {
            self.live = Some(live);
        }
    }
}

impl SessionLog for Recording {
    fn id(&self) -> SessionId {
        self.id
    }

    fn append(&mut self, events: Vec<EventKind>) -> Result<u64, RecordError> {
        self.write(events).map_err(|error| {
            self.store.failed(&error);
            error.into()
        })
    }

    fn later(&mut self, event: EventKind) -> u64 {
        let event = self.event(event, Timestamp::now());
        let number = event.seq;
        self.later.push(event);
        number
    }

    fn synced(&self) -> Synced {
        self.store.synced(self.end)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if self.next == 0 {
            self.store.forget_session(self.id);
        } else if !self.closed {
            let closed = EventKind::Closed {
                outcome: Outcome::Aborted,
                bytes_up: 0,
                bytes_down: 0,
            };
            if let Err(error) = self.write(vec![closed]) {
                // The next start finds the session open, and closes it.
                self.store.failed(&error);
                if let Some(live) = &self.live {
                    live.folded.lock().summary.outcome = Some(Outcome::Aborted);
                }
            }
        }
    }
}
