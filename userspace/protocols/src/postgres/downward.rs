//! From the server to the client: which operation an answer belongs to, its masks, and what
//! does not belong at all. The server is hostile input too: an answer that nothing asked for
//! ends the flow.

use sluice_flow::Gate;
use sluice_flow::gate::Direction;
use sluice_masking::Hits;

use super::answers::{out_of_place, status};
use super::codec::{Frame, HEADER_BYTES, Header, Reader, header, whole};
use super::error::ServeError;
use super::limits::{DATA_BYTES, MASKED_ROW_BYTES, REPLY_BYTES};
use super::masks::{Masking, may_show};
use super::rows;
use super::session::{Expected, Phase, Session};
use super::startup::CancelKey;

/// What the front of the server's bytes leads to.
pub(crate) enum Reply {
    /// So many bytes are done with.
    Took(usize),
    /// It takes so many bytes before anything can be said.
    Need(usize),
}

impl Session<'_> {
    /// Looks at the front of what the server sent.
    pub(crate) fn reply<G: Gate>(
        &mut self,
        bytes: &[u8],
        gate: &mut G,
    ) -> Result<Reply, ServeError> {
        if self.down_passing > 0 {
            let (passed, _) = bytes
                .split_at_checked(self.down_passing)
                .unwrap_or((bytes, &[]));
            self.down.extend_from_slice(passed);
            self.down_passing -= passed.len();
            return Ok(Reply::Took(passed.len()));
        }
        if let Some(notice) = self.notice.take() {
            super::refusal::notice(&mut self.down, &notice);
        }
        let Some(head) = header(bytes).map_err(ServeError::Upstream)? else {
            return Ok(Reply::Need(HEADER_BYTES));
        };
        match (self.phase, head.kind) {
            (Phase::Authenticating, b'R' | b'S' | b'K' | b'v' | b'E' | b'N' | b'Z') => {
                self.small(bytes, |session, head, body| session.greeting(head, body))
            }
            (Phase::Authenticating, kind) => out_of_place(kind),
            (Phase::Ready, b'D') => self.rows(head, bytes, gate),
            (Phase::Ready, b'd') => self.copy_data(head, bytes, gate),
            (Phase::Ready, _) => self.small(bytes, |session, head, body| {
                session.answer(head, body, gate)
            }),
        }
    }

    /// Reads one message whole.
    fn small(
        &mut self,
        bytes: &[u8],
        read: impl FnOnce(&mut Self, Header, &[u8]) -> Result<(), ServeError>,
    ) -> Result<Reply, ServeError> {
        match whole(bytes, REPLY_BYTES).map_err(ServeError::Upstream)? {
            Frame::Need(count) => Ok(Reply::Need(count)),
            Frame::Whole(head, body) => {
                read(self, head, body)?;
                Ok(Reply::Took(head.frame()))
            }
        }
    }

    /// Passes a message as it came.
    pub(super) fn pass_down(&mut self, head: Header, body: &[u8]) {
        self.down.push(head.kind);
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        self.down.extend_from_slice(&length.to_be_bytes());
        self.down.extend_from_slice(body);
    }

    /// Authentication, and what the server tells of itself.
    fn greeting(&mut self, head: Header, body: &[u8]) -> Result<(), ServeError> {
        match head.kind {
            b'S' => self.parameter(body)?,
            b'K' => {
                let key = CancelKey::read(head.kind, body).map_err(ServeError::Upstream)?;
                self.registration = self.facts.cancels.register(key);
            }
            b'Z' => {
                self.status = status(body)?;
                self.phase = Phase::Ready;
            }
            b'R' => {
                let asked = Reader::new(head.kind, body).u32();
                // AuthenticationOk and AuthenticationSASLFinal ask for nothing.
                let asked = !matches!(asked.map_err(ServeError::Upstream)?, 0 | 12);
                self.asked_to_authenticate = asked;
            }
            _ => {}
        }
        self.pass_down(head, body);
        Ok(())
    }

    /// ParameterStatus: what the server reports decides how texts are read.
    fn parameter(&mut self, body: &[u8]) -> Result<(), ServeError> {
        let mut reader = Reader::new(b'S', body);
        let (name, value) =
            (|| Ok((reader.string()?, reader.string()?)))().map_err(ServeError::Upstream)?;
        match name {
            b"standard_conforming_strings" => self.certain.lexing &= value == b"on",
            b"client_encoding" => {
                let unsafe_encodings: [&[u8]; 7] = [
                    b"BIG5",
                    b"GB18030",
                    b"GBK",
                    b"JOHAB",
                    b"SHIFT_JIS_2004",
                    b"SJIS",
                    b"UHC",
                ];
                // In these a byte of a longer character can look like a quote or a backslash.
                self.certain.lexing &= !unsafe_encodings.contains(&value);
            }
            _ => {}
        }
        Ok(())
    }

    fn answer<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        while matches!(self.expected.front(), Some(Expected::CopyEnd)) {
            self.expected.pop_front();
        }
        match head.kind {
            b'S' => {
                self.parameter(body)?;
                self.pass_down(head, body);
                Ok(())
            }
            b'N' => self.response(head, body, gate),
            b'A' => self.notification(head, body, gate),
            b'E' => self.error(head, body, gate),
            b'Z' => self.ready(head, body, gate),
            b'1' => self.completes(head, body, |e| matches!(e, Expected::Parse)),
            b'2' => self.completes(head, body, |e| matches!(e, Expected::Bind)),
            b'3' => self.completes(head, body, |e| matches!(e, Expected::Close(_))),
            b't' if matches!(self.expected.front(), Some(Expected::DescribeStatement)) => {
                self.pass_down(head, body);
                Ok(())
            }
            b'T' | b'n' => self.description(head, body),
            b'C' | b'I' | b's' => self.completed(head, body, gate),
            b'G' => self.copy_in(head, body),
            b'H' => self.copy_out(head, body),
            b'c' => self.copy_done(head, body, gate),
            b'V' if matches!(self.expected.front(), Some(Expected::Function(_))) => {
                self.function_result(head, body)
            }
            kind => out_of_place(kind),
        }
    }

    /// DataRow: passed on in bulk, or masked one by one.
    fn rows<G: Gate>(
        &mut self,
        head: Header,
        bytes: &[u8],
        gate: &mut G,
    ) -> Result<Reply, ServeError> {
        let run = self.front_run(head.kind)?;
        if run.is_looked_at() {
            return self.row(bytes, gate);
        }
        let (mut end, mut behind) = (0_usize, bytes);
        while let Some(head) = header(behind).map_err(ServeError::Upstream)? {
            if head.kind != b'D' {
                break;
            }
            let frame = head
                .within(DATA_BYTES)
                .map_err(ServeError::Upstream)?
                .frame();
            run.rows += 1;
            end += frame;
            match behind.split_at_checked(frame) {
                Some((_, rest)) => behind = rest,
                None => break,
            }
        }
        let (passed, _) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        self.down.extend_from_slice(passed);
        self.down_passing = end - passed.len();
        Ok(Reply::Took(passed.len()))
    }

    fn row<G: Gate>(&mut self, bytes: &[u8], gate: &mut G) -> Result<Reply, ServeError> {
        let (head, body) = match whole(bytes, MASKED_ROW_BYTES).map_err(ServeError::Upstream)? {
            Frame::Need(count) => return Ok(Reply::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        let Some(Expected::Run(run)) = self.expected.front_mut() else {
            return out_of_place(head.kind);
        };
        run.rows += 1;
        let masking = match (&run.plan, &run.masking) {
            (_, None) => None,
            (Some(plan), Some(masking)) => Some((plan, masking)),
            (None, Some(_)) => return Err(ServeError::Undecodable("rows without a description")),
        };
        let mut seen = run.pass.record_payload.then(Vec::new);
        rows::data_row(body, masking, &mut run.hits, &mut self.down, seen.as_mut())
            .map_err(ServeError::Upstream)?;
        if let Some(seen) = seen {
            gate.payload(run.pass.operation, Direction::Down, &seen);
        }
        Ok(Reply::Took(head.frame()))
    }

    /// An error or a notice, its text masked.
    pub(super) fn response<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        let (masking, operation, withheld) = self.masking_of_text();
        let Some(masking) = masking else {
            self.pass_down(head, body);
            return Ok(());
        };
        let mut hits = Hits::new();
        rows::response(
            head.kind,
            body,
            &masking.masker,
            withheld,
            &mut hits,
            &mut self.down,
        )
        .map_err(ServeError::Upstream)?;
        if !hits.is_empty() {
            gate.masked(operation, &hits);
        }
        Ok(())
    }

    /// The masks of what runs now, and whether a message of it may show a masked column.
    fn masking_of_text(&self) -> (Option<Masking>, u64, bool) {
        match self.expected.iter().find(|e| matches!(e, Expected::Run(_))) {
            Some(Expected::Run(run)) => {
                let withheld = match (&run.masking, run.statement()) {
                    (Some(masking), Some(statement)) => may_show(masking, &statement.mentions),
                    (Some(masking), None) => masking.columns,
                    (None, _) => false,
                };
                (run.masking.clone(), run.pass.operation, withheld)
            }
            _ => {
                let withheld = self.last_masking.as_ref().is_some_and(|m| m.columns);
                (self.last_masking.clone(), self.last_operation, withheld)
            }
        }
    }

    fn notification<G: Gate>(
        &mut self,
        head: Header,
        body: &[u8],
        gate: &mut G,
    ) -> Result<(), ServeError> {
        let Some(masking) = self.last_masking.clone() else {
            self.pass_down(head, body);
            return Ok(());
        };
        let mut hits = Hits::new();
        rows::notification(body, &masking.masker, &mut hits, &mut self.down)
            .map_err(ServeError::Upstream)?;
        if !hits.is_empty() {
            gate.masked(self.last_operation, &hits);
        }
        Ok(())
    }

    fn function_result(&mut self, head: Header, body: &[u8]) -> Result<(), ServeError> {
        if self.last_masking.is_some() {
            return Err(ServeError::Undecodable("the result of a function call"));
        }
        self.pass_down(head, body);
        Ok(())
    }
}
