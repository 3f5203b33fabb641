//! COPY, both ways (chapter 55.2.6), as the server's side of it is seen.

use sluice_flow::Gate;
use sluice_flow::gate::Direction;

use crate::sql::Acts;

use super::answers::out_of_place;
use super::codec::{Broken, Frame, Header, Reader, frame, whole};
use super::copy_rows::{CopyRows, TooLong};
use super::downward::Reply;
use super::error::ServeError;
use super::limits::{DATA_BYTES, MASKED_ROW_BYTES};
use super::session::{CopyIn, Expected, Session, may_copy_in};

impl Session<'_> {
    /// CopyInResponse: the client's next messages are data.
    pub(super) fn copy_in(&mut self, head: Header, body: &[u8]) -> Result<(), ServeError> {
        let run = self.front_run(head.kind)?;
        if !run.statement().is_some_and(may_copy_in) {
            return out_of_place(head.kind);
        }
        self.copy_in = if self.drop_early_syncs() {
            CopyIn::Possible
        } else {
            CopyIn::Active
        };
        self.pass_down(head, body);
        Ok(())
    }

    /// Syncs that the client sent before the end of its data: the server passes over them
    /// while it takes data. Whether that end was sent already.
    fn drop_early_syncs(&mut self) -> bool {
        let ended = self
            .expected
            .iter()
            .position(|e| matches!(e, Expected::CopyEnd));
        let until = ended.unwrap_or(self.expected.len());
        let mut at = 0;
        self.expected.retain(|expected| {
            let early = at > 0 && at < until && matches!(expected, Expected::Sync);
            let end = Some(at) == ended;
            at += 1;
            !early && !end
        });
        ended.is_some()
    }

    /// CopyOutResponse.
    pub(super) fn copy_out(&mut self, head: Header, body: &[u8]) -> Result<(), ServeError> {
        let format = Reader::new(head.kind, body).byte();
        let binary = match format.map_err(ServeError::Upstream)? {
            0 => false,
            1 => true,
            _ => return Err(ServeError::Upstream(Broken::Body(char::from(head.kind)))),
        };
        let run = self.front_run(head.kind)?;
        if let Some(masking) = run.masking.clone() {
            let how = match run.statement().map(|statement| &statement.acts) {
                Some(Acts::CopiesOut(how)) if !binary => Some(how.clone()),
                _ => None,
            };
            let output = run.output().clone();
            run.copy_out = how.and_then(|how| CopyRows::new(masking, how, output));
            if run.copy_out.is_none() {
                return Err(ServeError::Undecodable("COPY in this format"));
            }
        }
        self.pass_down(head, body);
        Ok(())
    }

    pub(super) fn copy_data<G: Gate>(
        &mut self,
        head: Header,
        bytes: &[u8],
        gate: &mut G,
    ) -> Result<Reply, ServeError> {
        let run = self.front_run(head.kind)?;
        if !run.is_looked_at() {
            self.down_passing = head
                .within(DATA_BYTES)
                .map_err(ServeError::Upstream)?
                .frame();
            return Ok(Reply::Took(0));
        }
        let body = match whole(bytes, MASKED_ROW_BYTES).map_err(ServeError::Upstream)? {
            Frame::Need(count) => return Ok(Reply::Need(count)),
            Frame::Whole(_, body) => body,
        };
        let mut lines = Vec::with_capacity(body.len());
        match &mut run.copy_out {
            Some(copy) => copy
                .push(body, &mut run.hits, &mut lines)
                .map_err(|TooLong| too_long(body))?,
            // Recorded only: it passes as it came, empty or not.
            None if run.masking.is_none() => {
                self.copied(body, gate)?;
                return Ok(Reply::Took(head.frame()));
            }
            None => return out_of_place(head.kind),
        }
        if !lines.is_empty() {
            self.copied(&lines, gate)?;
        }
        Ok(Reply::Took(head.frame()))
    }

    /// Sends lines on as they may be seen.
    fn copied<G: Gate>(&mut self, lines: &[u8], gate: &mut G) -> Result<(), ServeError> {
        frame(&mut self.down, b'd', |out| out.extend_from_slice(lines))
            .map_err(ServeError::Upstream)?;
        if let Some(Expected::Run(run)) = self.expected.front()
            && run.pass.record_payload
        {
            gate.payload(run.pass.operation, Direction::Down, lines);
        }
        Ok(())
    }

    pub(super) fn copy_done<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        let run = self.front_run(head.kind)?;
        let mut lines = Vec::new();
        if let Some(copy) = &mut run.copy_out {
            copy.finish(&mut run.hits, &mut lines);
        }
        if !lines.is_empty() {
            self.copied(&lines, gate)?;
        }
        self.pass_down(head, body);
        Ok(())
    }
}

fn too_long(body: &[u8]) -> ServeError {
    ServeError::Upstream(Broken::TooLong {
        kind: 'd',
        bytes: body.len() as u64,
        limit: MASKED_ROW_BYTES,
    })
}
