//! What a verdict does to the operation that it was given for.

use std::sync::Arc;

use sluice_flow::{Pass, Refusal};

use super::codec::frame;
use super::error::ServeError;
use super::limits::MAX_NAMES;
use super::names::{Change, Grant, Named, Statements};
use super::refusal::{self, REFUSED_STATEMENT};
use super::resolve::{self, Certainty};
use super::session::{CopyIn, Expected, Session, may_copy_in};
use super::upward::Fault;

/// An operation that waits for its verdict.
pub(crate) struct Ask {
    /// Bytes of its message.
    pub(crate) frame: usize,
    pub(super) work: Work,
}

/// What is done once it may go on.
pub(super) enum Work {
    Query {
        statements: Statements,
        certain: Certainty,
    },
    Parse {
        name: String,
        statements: Statements,
        judged: Statements,
    },
    Execute {
        portal: String,
        statements: Statements,
        certain: Certainty,
    },
    Function,
}

impl Session<'_> {
    /// The operation may go on: its bytes pass.
    pub(crate) fn granted(
        &mut self,
        ask: Ask,
        bytes: &[u8],
        pass: Pass,
        approved: bool,
    ) -> Result<(), ServeError> {
        self.run_work(ask.work, bytes, ask.frame, pass, approved)
            .map_err(|_| ServeError::OverLimit {
                what: "prepared statements",
                limit: MAX_NAMES,
            })
    }

    pub(super) fn run_work(
        &mut self,
        work: Work,
        bytes: &[u8],
        frame: usize,
        pass: Pass,
        approved: bool,
    ) -> Result<(), Fault> {
        let message = bytes.get(..frame).unwrap_or_default();
        match work {
            Work::Query {
                statements,
                certain,
            } => {
                self.starts(&statements, certain)?;
                let run = self.run(true, statements, pass);
                self.expected.push_back(run);
                self.pipeline += 1;
            }
            Work::Parse {
                name,
                statements,
                judged,
            } => {
                let grant = Some(Grant {
                    pass,
                    pipeline: self.pipeline,
                    approved,
                    judged,
                });
                let named = Named { statements, grant };
                self.names
                    .ask(self.pipeline, Change::Prepare(name, named))
                    .map_err(|_| Fault::Names)?;
                self.expect(Expected::Parse);
            }
            Work::Execute {
                portal,
                statements,
                certain,
            } => {
                self.starts(&statements, certain)?;
                let grant = Grant {
                    pass: pass.clone(),
                    pipeline: self.pipeline,
                    approved,
                    judged: Arc::clone(&statements),
                };
                self.names.set_portal_grant(&portal, grant);
                if self.masking(&pass).is_some() {
                    self.describe_for_us(&portal);
                }
                let run = self.run(false, statements, pass);
                self.expect(run);
            }
            Work::Function => {
                self.last_masking = self.masking(&pass);
                self.expected.push_back(Expected::Function(pass));
                self.pipeline += 1;
            }
        }
        self.up.extend_from_slice(message);
        Ok(())
    }

    /// Notes what statements that run now do to the session.
    fn starts(&mut self, statements: &Statements, certain: Certainty) -> Result<(), Fault> {
        for change in statements.iter().filter_map(resolve::change) {
            self.names
                .ask(self.pipeline, change)
                .map_err(|_| Fault::Names)?;
        }
        if statements.iter().any(may_copy_in) {
            self.copy_in = CopyIn::Possible;
        }
        // It may have been taken away since the message was read.
        self.certain.lexing &= certain.lexing;
        self.certain.search_path &= certain.search_path;
        Ok(())
    }

    /// Names and types of the rows are needed to mask them, and not every client asks.
    fn describe_for_us(&mut self, portal: &str) {
        let _ = frame(&mut self.up, b'D', |body| {
            body.push(b'P');
            body.extend_from_slice(portal.as_bytes());
            body.push(0);
        });
        self.expect(Expected::OurDescribe);
    }

    /// The operation is refused: nothing of it reaches the server.
    ///
    /// For the client it is as if the server had refused: the rest of a pipeline is dropped
    /// up to its Sync, and an open transaction fails. Where there is one, or answers are
    /// still due, the server gets a statement that cannot be parsed, so that its state is
    /// what the client is told.
    pub(crate) fn refused(&mut self, ask: &Ask, refusal: &Refusal) {
        let answer = refusal::refused(refusal);
        let simple = match ask.work {
            Work::Query { .. } | Work::Function => true,
            Work::Parse { .. } | Work::Execute { .. } => false,
        };
        if simple && self.expected.is_empty() && !self.unsynced && self.status != b'T' {
            self.down.extend_from_slice(&answer);
            refusal::ready(&mut self.down, self.status);
            return;
        }
        let kind = if simple { b'Q' } else { b'P' };
        let _ = frame(&mut self.up, kind, |body| {
            if !simple {
                body.push(0);
            }
            body.extend_from_slice(REFUSED_STATEMENT);
            body.push(0);
            if !simple {
                body.extend_from_slice(&[0, 0]);
            }
        });
        self.expected
            .push_back(Expected::Refused { answer, simple });
        if simple {
            self.pipeline += 1;
        } else {
            self.unsynced = true;
            self.skipping = true;
        }
    }
}
