//! Which answer belongs to which message, and what each does to the session.

use sluice_flow::{Answer, Gate};

use crate::sql::Output;

use super::codec::{Broken, Header};
use super::error::ServeError;
use super::limits::MAX_TAGS;
use super::masks::RowPlan;
use super::names::ChangeKind;
use super::resolve;
use super::rows;
use super::session::{CopyIn, Expected, Run, Session, may_copy_in};

impl Session<'_> {
    /// ParseComplete and its like.
    pub(super) fn completes(
        &mut self,
        head: Header,
        body: &[u8],
        is_it: impl Fn(&Expected) -> bool,
    ) -> Result<(), ServeError> {
        match self.expected.pop_front() {
            Some(expected) if is_it(&expected) => {
                self.settle(&expected, true);
                self.pass_down(head, body);
                Ok(())
            }
            _ => out_of_place(head.kind),
        }
    }

    /// Tells the names what became of a change.
    fn settle(&mut self, expected: &Expected, succeeded: bool) {
        match expected {
            Expected::Parse => self.names.answered(ChangeKind::Statement, succeeded),
            Expected::Bind => self.names.answered(ChangeKind::Portal, succeeded),
            Expected::Close(kind) => self.names.answered(*kind, succeeded),
            Expected::Run(run) => {
                for statement in run.statements.iter().skip(run.at) {
                    if let Some(change) = resolve::change(statement) {
                        self.names.answered(change.kind(), succeeded);
                    }
                }
            }
            Expected::DescribeStatement
            | Expected::DescribePortal
            | Expected::OurDescribe
            | Expected::Function(_)
            | Expected::Sync
            | Expected::CopyEnd
            | Expected::Refused { .. }
            | Expected::RefusedReady => {}
        }
    }

    pub(super) fn front_run(&mut self, kind: u8) -> Result<&mut Run, ServeError> {
        match self.expected.front_mut() {
            Some(Expected::Run(run)) if !run.failed => Ok(run),
            _ => out_of_place(kind),
        }
    }

    /// RowDescription and NoData.
    pub(super) fn description(&mut self, head: Header, body: &[u8]) -> Result<(), ServeError> {
        let rows = head.kind == b'T';
        match self.expected.front_mut() {
            Some(Expected::Run(run)) if run.simple && rows && !run.failed => {
                plan(run, body)?;
                self.pass_down(head, body);
            }
            Some(Expected::DescribeStatement | Expected::DescribePortal) => {
                self.expected.pop_front();
                self.pass_down(head, body);
            }
            Some(Expected::OurDescribe) => {
                self.expected.pop_front();
                // Execute comes right behind it.
                if rows {
                    plan(self.front_run(head.kind)?, body)?;
                }
            }
            _ => return out_of_place(head.kind),
        }
        Ok(())
    }

    /// CommandComplete, EmptyQueryResponse, PortalSuspended.
    pub(super) fn completed<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        let run = self.front_run(head.kind)?;
        if let Some(tag) = body.split(|byte| *byte == 0).next()
            && head.kind == b'C'
            && run.tags.len() < MAX_TAGS
        {
            run.tags.push(String::from_utf8_lossy(tag).into_owned());
        }
        if run.simple && head.kind == b's' {
            return out_of_place(head.kind);
        }
        let change = run.statement().and_then(resolve::change);
        run.at += 1;
        run.plan = None;
        run.copy_out = None;
        let done = !run.simple;
        if let Some(change) = change {
            let completed = head.kind == b'C';
            self.names.answered(change.kind(), completed);
        }
        self.pass_down(head, body);
        if done {
            self.finish_front(gate);
        }
        Ok(())
    }

    /// The operation at the front is done: its answer is noted.
    fn finish_front<G: Gate>(&mut self, gate: &mut G) {
        if let Some(expected) = self.expected.pop_front() {
            self.note(&expected, gate);
            self.settle(&expected, false);
        }
    }

    fn note<G: Gate>(&mut self, expected: &Expected, gate: &mut G) {
        let run = match expected {
            Expected::Run(run) => run,
            Expected::Function(pass) => return gate.answered(pass.operation, Answer::default()),
            Expected::Parse
            | Expected::Bind
            | Expected::Close(_)
            | Expected::DescribeStatement
            | Expected::DescribePortal
            | Expected::OurDescribe
            | Expected::Sync
            | Expected::CopyEnd
            | Expected::Refused { .. }
            | Expected::RefusedReady => return,
        };
        if run.statements.iter().any(may_copy_in) {
            self.copy_in = CopyIn::No;
        }
        if !run.hits.is_empty() {
            gate.masked(run.pass.operation, &run.hits);
        }
        let told = run.tags.iter().rev().find_map(|tag| {
            let count = tag.rsplit(' ').next()?;
            count.parse().ok()
        });
        let answer = Answer {
            status: None,
            tag: (!run.tags.is_empty()).then(|| run.tags.join("; ")),
            rows: told.or((run.rows > 0).then_some(run.rows)),
        };
        gate.answered(run.pass.operation, answer);
    }

    pub(super) fn ready<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        self.status = status(body)?;
        match self.expected.front() {
            Some(Expected::Sync | Expected::RefusedReady) => {
                self.expected.pop_front();
            }
            Some(Expected::Function(_)) => self.finish_front(gate),
            Some(Expected::Run(run)) if run.simple => self.finish_front(gate),
            _ => return out_of_place(head.kind),
        }
        self.pass_down(head, body);
        Ok(())
    }

    /// ErrorResponse: what follows in the pipeline is passed over by the server.
    pub(super) fn error<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        let code = rows::said(head.kind, body)
            .map_err(ServeError::Upstream)?
            .code;
        if let Some(Expected::Refused { answer, simple }) = self.expected.front() {
            let simple = *simple;
            self.down.extend_from_slice(answer);
            self.expected.pop_front();
            if simple {
                self.expected.push_front(Expected::RefusedReady);
            } else {
                self.skip_to_sync(gate);
            }
            return Ok(());
        }
        self.response(head, body, gate)?;
        match self.expected.front_mut() {
            Some(Expected::Run(run)) => {
                if run.tags.len() < MAX_TAGS {
                    run.tags.push(code);
                }
                run.failed = true;
                let (simple, copied) = (run.simple, run.statements.iter().any(may_copy_in));
                if copied {
                    self.copy_in = CopyIn::No;
                }
                if !simple {
                    self.skip_to_sync(gate);
                }
            }
            Some(
                Expected::Parse
                | Expected::Bind
                | Expected::Close(_)
                | Expected::DescribeStatement
                | Expected::DescribePortal
                | Expected::OurDescribe,
            ) => self.skip_to_sync(gate),
            // At Sync the transaction could not be committed; ReadyForQuery still comes.
            Some(
                Expected::Sync
                | Expected::Function(_)
                | Expected::CopyEnd
                | Expected::Refused { .. }
                | Expected::RefusedReady,
            )
            | None => {}
        }
        Ok(())
    }

    /// Drops what the server will pass over: everything up to the next Sync.
    fn skip_to_sync<G: Gate>(&mut self, gate: &mut G) {
        while let Some(expected) = self.expected.pop_front() {
            if matches!(expected, Expected::Sync) {
                self.expected.push_front(expected);
                return;
            }
            self.note(&expected, gate);
            self.settle(&expected, false);
        }
        self.skipping = true;
        self.copy_in = CopyIn::No;
    }
}

/// The masks of the rows that a description announces.
fn plan(run: &mut Run, description: &[u8]) -> Result<(), ServeError> {
    let Some(masking) = run.masking.clone() else {
        return Ok(());
    };
    let output = match run.output() {
        // The text promised no rows.
        Output::Columns(items) if items.is_empty() => &Output::Unknown,
        output => output,
    };
    let plan = RowPlan::described(&masking, output, description).map_err(ServeError::Upstream)?;
    run.plan = Some(plan);
    Ok(())
}

pub(super) fn status(body: &[u8]) -> Result<u8, ServeError> {
    match body {
        [status @ (b'I' | b'T' | b'E')] => Ok(*status),
        _ => Err(ServeError::Upstream(Broken::Body('Z'))),
    }
}

pub(super) fn out_of_place<T>(kind: u8) -> Result<T, ServeError> {
    Err(ServeError::Upstream(Broken::OutOfPlace(char::from(kind))))
}
