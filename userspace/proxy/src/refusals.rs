//! Refusals of what no session was opened for: sessions of their own, a bounded number of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sluice_flow::kernel::{JobTag, Origin};
use sluice_flow::ports::{RecordError, Recorder};
use sluice_flow::session::Outcome;
use sluice_flow::{Destination, EventKind, Lineage, Refusal, SessionOpened};

use crate::job::RunningJob;
use crate::limits::MAX_REFUSED_QUESTIONS_PER_SECOND;

/// A DNS question that is not even judged.
pub(crate) struct RefusedQuestion {
    pub(crate) peer: SocketAddr,
    /// Where it was to go, and whose it was, as far as the kernel wrote it down.
    pub(crate) origin: Option<Origin>,
    pub(crate) refusal: Refusal,
}

/// Keeps the number of such sessions bounded: whoever sends datagrams decides how many there are.
#[derive(Default)]
pub struct Refusals {
    this_second: Mutex<Option<Second>>,
    /// Refusals that were counted, not recorded.
    pub left_out: AtomicU64,
}

/// How many were recorded since it began, by job.
struct Second {
    began: Instant,
    recorded: HashMap<Option<JobTag>, u32>,
}

impl Refusals {
    /// Opened, refused, closed.
    pub(crate) fn question(
        &self,
        recorder: &dyn Recorder,
        job: Option<Arc<RunningJob>>,
        refused: RefusedQuestion,
    ) {
        let whose = refused.origin.as_ref().map(|origin| origin.job);
        if !self.is_recorded(whose, Instant::now()) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if let Err(error) = record(recorder, job, refused) {
            tracing::error!(%error, "a refused DNS question is not in the record");
        }
    }

    fn is_recorded(&self, whose: Option<JobTag>, now: Instant) -> bool {
        let mut second = self.this_second.lock();
        let fresh = second
            .as_ref()
            .is_some_and(|s| now.duration_since(s.began) < Duration::from_secs(1));
        if !fresh {
            *second = None;
        }
        let second = second.get_or_insert_with(|| Second {
            began: now,
            recorded: HashMap::new(),
        });
        let recorded = second.recorded.entry(whose).or_default();
        *recorded = recorded.saturating_add(1);
        *recorded <= MAX_REFUSED_QUESTIONS_PER_SECOND
    }
}

fn record(
    recorder: &dyn Recorder,
    job: Option<Arc<RunningJob>>,
    refused: RefusedQuestion,
) -> Result<(), RecordError> {
    let RefusedQuestion {
        peer,
        origin,
        refusal,
    } = refused;
    let opened = SessionOpened {
        keep: job.as_ref().and_then(|running| running.keep()),
        job: job.map(|running| running.job.clone()),
        destination: origin.map(|origin| Destination::of(origin.destination)),
        peer,
        lineage: Lineage::default(),
    };
    recorder.session()?.append(vec![
        EventKind::Opened(Box::new(opened)),
        EventKind::Refused {
            refusal,
            kernel: None,
            expected: false,
        },
        EventKind::Closed {
            outcome: Outcome::Refused,
            bytes_up: 0,
            bytes_down: 0,
        },
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_its_own_limit_a_second() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for whose in [None, Some(JobTag(1)), Some(JobTag(2))] {
            for _ in 0..MAX_REFUSED_QUESTIONS_PER_SECOND {
                assert!(refusals.is_recorded(whose, now));
            }
            assert!(!refusals.is_recorded(whose, now));
        }
        assert!(refusals.is_recorded(None, now + Duration::from_secs(1)));
    }
}
