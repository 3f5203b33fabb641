//! The gate: the one port that protocols use.
//!
//! A protocol names an [`Operation`], waits for the [`Judgement`], and only
//! then lets the bytes of the operation pass. It never sees policy, and the store behind the
//! gate never sees an unmasked byte.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sluice_masking::{Hits, Masker};

use crate::failure::Cause;
use crate::operation::{HttpRequest, Operation};
use crate::verdict::Refusal;

/// Permission for one operation to go on, and what is done to its answer.
#[must_use]
#[derive(Clone)]
pub struct Pass {
    /// The operation's number in the session; answers and hits refer to it.
    pub operation: u64,
    /// What the answer is masked with; `None`: it passes byte for byte unchanged.
    pub masker: Option<Arc<Masker>>,
    /// Whether the (masked) answer is recorded.
    pub record_payload: bool,
    /// Whether the answer is judged, too: [`Gate::judge_answer`] is asked about each head of it
    /// before a byte of it passes, and what it gives takes the place of this. Until then
    /// `masker` says whether an answer that cannot be masked (a part, a tunnel) would have to be.
    pub judges_answer: bool,
}

/// What the gate says to an operation.
#[must_use]
pub enum Judgement {
    /// It goes on.
    Forward(Pass),
    /// It does not.
    Refuse(Refusal),
    /// It waits for people.
    Hold(Hold),
    /// People are to be asked, and about all of it: nothing is judged or recorded yet. The
    /// request is to be given again, with its body read ([`HttpRequest::body`]). Only for one
    /// that came with [`HttpBody::Unread`](crate::HttpBody::Unread).
    ReadBody(Box<HttpRequest>),
}

/// The refusal of an operation without a body, where one is asked for.
pub fn no_body() -> Refusal {
    Refusal::of(
        Cause::Undecodable,
        "people are to be asked about its body, and it has none",
    )
}

/// An operation that waits for people. Dropping it withdraws the request.
#[must_use]
pub struct Hold {
    /// What to tell the person at the build log: who is asked, for how long.
    pub message: String,
    /// Ends with [`Ok`] when enough people agreed, else with the refusal.
    pub answer: Pin<Box<dyn Future<Output = Result<Pass, Refusal>>>>,
}

/// What came back for an operation, as far as records tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// HTTP status, DNS response code.
    pub status: Option<u16>,
    /// PostgreSQL command tag or SQLSTATE.
    pub tag: Option<String>,
    /// Rows that were sent.
    pub rows: Option<u64>,
}

/// The side of a flow that bytes went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the job to the server.
    Up,
    /// From the server to the job.
    Down,
}

/// The gate as protocols see it. One task owns it; it is not shared.
pub trait Gate {
    /// Judges an operation, after it and its verdict are in the log.
    fn judge(&mut self, operation: Operation) -> impl Future<Output = Judgement>;

    /// Judges the answer to an operation by its status, after the verdict on it is in the log;
    /// only for a [`Pass`] with `judges_answer`. A refusal takes the answer's place. It is noted.
    fn judge_answer(
        &mut self,
        operation: u64,
        status: u16,
    ) -> impl Future<Output = Result<Pass, Refusal>> {
        let why = format!("nobody judges the answer {status} to operation {operation} here");
        std::future::ready(Err(Refusal::of(Cause::Undecodable, why)))
    }

    /// Notes what came back.
    fn answered(&mut self, operation: u64, answer: Answer);

    /// Notes what was masked in the answer.
    fn masked(&mut self, operation: u64, hits: &Hits);

    /// Notes (masked) bytes of an answer; only for a [`Pass`] with `record_payload`. What is
    /// over the limit of the record is counted and not kept.
    fn payload(&mut self, operation: u64, direction: Direction, masked: &[u8]);

    /// Notes a refusal that the protocol found by itself: broken bytes, a limit, a server
    /// that does not answer. Refusals of [`Gate::judge`] are noted already.
    fn refused(&mut self, refusal: &Refusal);

    /// Counts bytes that passed.
    fn passed(&mut self, direction: Direction, bytes: u64);
}
