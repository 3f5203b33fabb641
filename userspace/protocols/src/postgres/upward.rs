//! From the client to the server: what needs a verdict, what passes, what is dropped.

use std::sync::Arc;

use sluice_flow::{Effect, Operation, Statement};

use crate::sql::Analysed;

use super::codec::{Broken, Frame, HEADER_BYTES, Header, Reader, header, whole};
use super::error::ServeError;
use super::limits::{
    AUTH_BYTES, BIND_NAMES_BYTES, DATA_BYTES, MAX_NAMES, PENDING_REPLIES, SMALL_BYTES,
    STATEMENT_BYTES,
};
use super::names::{Change, ChangeKind, Meaning, Named, Statements};
use super::objects::{named_object, text_of};
use super::resolve::{self, Resolved};
use super::session::{CopyIn, Expected, Phase, Session};
use super::verdicts::{Ask, Work};

/// What the front of the client's bytes leads to.
pub(crate) enum Next {
    /// So many bytes are done with.
    Took(usize),
    /// It takes so many bytes before anything can be said.
    Need(usize),
    /// It has to wait for answers of the server.
    Wait,
    /// An operation; its bytes stay where they are until the verdict.
    Judge(Box<Operation>, Box<Ask>),
    /// Terminate: the client is done.
    End,
}

impl Session<'_> {
    /// Looks at the front of what the client sent.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Next, ServeError> {
        if self.up_passing > 0 || self.up_dropping > 0 {
            return Ok(Next::Took(self.stream(bytes)));
        }
        if self.expected.len() >= PENDING_REPLIES {
            return Ok(Next::Wait);
        }
        let Some(head) = header(bytes).map_err(ServeError::Client)? else {
            return Ok(Next::Need(HEADER_BYTES));
        };
        match self.phase {
            Phase::Authenticating => self.authenticate(head, bytes),
            Phase::Ready => self.message(head, bytes),
        }
        .map_err(|fault| match fault {
            Fault::Broken(broken) => ServeError::Client(broken),
            Fault::Names => ServeError::OverLimit {
                what: "prepared statements",
                limit: MAX_NAMES,
            },
        })
    }

    /// Passes, or drops, bytes of a message that was decided on.
    fn stream(&mut self, bytes: &[u8]) -> usize {
        if self.up_dropping > 0 {
            let dropped = bytes.len().min(self.up_dropping);
            self.up_dropping -= dropped;
            return dropped;
        }
        let (passed, _) = bytes
            .split_at_checked(self.up_passing)
            .unwrap_or((bytes, &[]));
        self.up.extend_from_slice(passed);
        self.up_passing -= passed.len();
        passed.len()
    }

    fn authenticate(&mut self, head: Header, bytes: &[u8]) -> Result<Next, Fault> {
        match head.kind {
            b'p' => {
                let next = self.forward(bytes, AUTH_BYTES)?;
                if matches!(next, Next::Took(_)) {
                    self.asked_to_authenticate = false;
                }
                Ok(next)
            }
            b'X' => self.terminate(bytes),
            // Queries before the server is ready wait until it is.
            b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'H' | b'S' | b'F' => Ok(Next::Wait),
            kind => Err(Broken::OutOfPlace(char::from(kind)).into()),
        }
    }

    fn message(&mut self, head: Header, bytes: &[u8]) -> Result<Next, Fault> {
        if self.skipping && !matches!(head.kind, b'S' | b'X') {
            self.up_dropping = head.within(DATA_BYTES)?.frame();
            return Ok(Next::Took(0));
        }
        let copying = matches!(head.kind, b'd' | b'c' | b'f' | b'H' | b'S' | b'X');
        match self.copy_in {
            CopyIn::Possible if !copying => return Ok(Next::Wait),
            CopyIn::Active if !copying => {
                return Err(Broken::OutOfPlace(char::from(head.kind)).into());
            }
            CopyIn::No | CopyIn::Possible | CopyIn::Active => {}
        }
        match head.kind {
            b'Q' => self.query(bytes),
            b'P' => self.parse(bytes),
            b'B' => self.bind(head, bytes),
            b'D' => self.describe(bytes),
            b'E' => self.execute(bytes),
            b'C' => self.close(bytes),
            b'H' => self.forward(bytes, SMALL_BYTES),
            b'S' => self.sync(bytes),
            b'F' => self.function(head, bytes),
            b'd' => {
                self.up_passing = head.within(DATA_BYTES)?.frame();
                Ok(Next::Took(0))
            }
            b'c' | b'f' => self.copy_end(bytes),
            b'X' => self.terminate(bytes),
            b'p' => Err(Broken::OutOfPlace('p').into()),
            kind => Err(Broken::Type(char::from(kind)).into()),
        }
    }

    /// Passes one whole message.
    fn forward(&mut self, bytes: &[u8], limit: usize) -> Result<Next, Fault> {
        let (head, _) = match whole(bytes, limit)? {
            Frame::Need(count) => return Ok(Next::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        self.pass(bytes, head);
        Ok(Next::Took(head.frame()))
    }

    fn pass(&mut self, bytes: &[u8], head: Header) {
        self.up
            .extend_from_slice(bytes.get(..head.frame()).unwrap_or_default());
    }

    fn terminate(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        Ok(match self.forward(bytes, SMALL_BYTES)? {
            Next::Took(_) => Next::End,
            other => other,
        })
    }

    fn query(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, body) = match whole(bytes, STATEMENT_BYTES)? {
            Frame::Need(count) => return Ok(Next::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        let mut reader = Reader::new(head.kind, body);
        let text = reader.string()?;
        reader.end()?;
        let statements = self.analysed(text);
        let mut certain = self.certain;
        let Resolved::Known(statements) =
            resolve::resolve(&statements, &self.names, self.pipeline, &mut certain)
        else {
            return Ok(Next::Wait);
        };
        Ok(self.ask(
            "query",
            head,
            texts(&statements),
            Work::Query {
                statements,
                certain,
            },
        ))
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, body) = match whole(bytes, STATEMENT_BYTES)? {
            Frame::Need(count) => return Ok(Next::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        let mut reader = Reader::new(head.kind, body);
        let name = text_of(reader.string()?)?;
        let text = reader.string()?;
        let types = reader.u16()?;
        reader.take(usize::from(types) * 4)?;
        reader.end()?;
        if self.names.is_crowded(text.len()) {
            return Ok(Next::Wait);
        }
        let statements = self.analysed(text);
        let Resolved::Known(judged) = resolve::resolve(
            &statements,
            &self.names,
            self.pipeline,
            &mut self.certain.clone(),
        ) else {
            return Ok(Next::Wait);
        };
        Ok(self.ask(
            "execute",
            head,
            texts(&judged),
            Work::Parse {
                name,
                statements,
                judged,
            },
        ))
    }

    fn analysed(&self, text: &[u8]) -> Statements {
        let statements = match std::str::from_utf8(text) {
            Ok(text) => self.facts.cache.analyse(text),
            Err(_) => Arc::from([Analysed::unknown(&String::from_utf8_lossy(text), "unknown")]),
        };
        if statements.is_empty() {
            return Arc::from([Analysed::empty()]);
        }
        statements
    }

    fn ask(&self, via: &str, head: Header, statements: Vec<Statement>, work: Work) -> Next {
        let ask = Ask {
            frame: head.frame(),
            work,
        };
        Next::Judge(Box::new(self.operation(via, statements)), Box::new(ask))
    }

    fn bind(&mut self, head: Header, bytes: &[u8]) -> Result<Next, Fault> {
        head.within(DATA_BYTES)?;
        let front = head.frame().min(HEADER_BYTES + BIND_NAMES_BYTES);
        let Some(body) = bytes.get(HEADER_BYTES..front) else {
            return Ok(Next::Need(front));
        };
        let mut reader = Reader::new(head.kind, body);
        let portal = text_of(reader.string()?)?;
        let name = text_of(reader.string()?)?;
        let statements = match self.names.statement(self.pipeline, &name) {
            Meaning::Is(named) => Arc::clone(&named.statements),
            Meaning::Unknown => unknown_name(&name),
            Meaning::Pending => return Ok(Next::Wait),
        };
        let grant = self.names.take_grant(self.pipeline, &name);
        let named = Named { statements, grant };
        self.names
            .ask(self.pipeline, Change::Open(portal, named))
            .map_err(|_| Fault::Names)?;
        self.expect(Expected::Bind);
        self.up_passing = head.frame();
        Ok(Next::Took(0))
    }

    pub(super) fn expect(&mut self, expected: Expected) {
        self.unsynced = true;
        self.expected.push_back(expected);
    }

    fn describe(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, what, _) = match named_object(bytes)? {
            Ok(found) => found,
            Err(need) => return Ok(Next::Need(need)),
        };
        self.expect(match what {
            ChangeKind::Statement => Expected::DescribeStatement,
            ChangeKind::Portal => Expected::DescribePortal,
        });
        self.pass(bytes, head);
        Ok(Next::Took(head.frame()))
    }

    fn close(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, what, name) = match named_object(bytes)? {
            Ok(found) => found,
            Err(need) => return Ok(Next::Need(need)),
        };
        let change = match what {
            ChangeKind::Statement => Change::Deallocate(Some(name)),
            ChangeKind::Portal => Change::Close(name),
        };
        self.names
            .ask(self.pipeline, change)
            .map_err(|_| Fault::Names)?;
        self.expect(Expected::Close(what));
        self.pass(bytes, head);
        Ok(Next::Took(head.frame()))
    }

    fn execute(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, body) = match whole(bytes, SMALL_BYTES)? {
            Frame::Need(count) => return Ok(Next::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        let mut reader = Reader::new(head.kind, body);
        let portal = text_of(reader.string()?)?;
        reader.u32()?;
        reader.end()?;
        let (statements, grant) = match self.names.portal(self.pipeline, &portal) {
            Meaning::Is(named) => (Arc::clone(&named.statements), named.grant.clone()),
            Meaning::Unknown => (unknown_name(&portal), None),
            Meaning::Pending => return Ok(Next::Wait),
        };
        let mut certain = self.certain;
        let Resolved::Known(statements) =
            resolve::resolve(&statements, &self.names, self.pipeline, &mut certain)
        else {
            return Ok(Next::Wait);
        };
        let asked = texts(&statements);
        let work = Work::Execute {
            portal,
            statements: Arc::clone(&statements),
            certain,
        };
        match grant {
            // What was permitted is what runs now: nothing that its names mean has changed.
            Some(grant) if same(&grant.judged, &statements) => {
                self.run_work(work, bytes, head.frame(), grant.pass, grant.approved)?;
                Ok(Next::Took(head.frame()))
            }
            Some(_) | None => Ok(self.ask("execute", head, asked, work)),
        }
    }

    fn sync(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let next = self.forward(bytes, SMALL_BYTES)?;
        if matches!(next, Next::Took(_)) {
            // While it takes COPY data the server passes over Sync.
            if self.copy_in != CopyIn::Active {
                self.expected.push_back(Expected::Sync);
            }
            self.pipeline += 1;
            self.skipping = false;
            self.unsynced = false;
        }
        Ok(next)
    }

    fn function(&mut self, head: Header, bytes: &[u8]) -> Result<Next, Fault> {
        let (head, body) = match whole(bytes, head.within(STATEMENT_BYTES)?.body)? {
            Frame::Need(count) => return Ok(Next::Need(count)),
            Frame::Whole(head, body) => (head, body),
        };
        let oid = Reader::new(head.kind, body).u32()?;
        let text = format!("function call of object id {oid}");
        let statement = Analysed::unknown(&text, "function call").statement;
        Ok(self.ask("function call", head, vec![statement], Work::Function))
    }

    fn copy_end(&mut self, bytes: &[u8]) -> Result<Next, Fault> {
        let next = self.forward(bytes, STATEMENT_BYTES)?;
        if matches!(next, Next::Took(_)) {
            if self.copy_in != CopyIn::No {
                self.expected.push_back(Expected::CopyEnd);
            }
            if self.copy_in == CopyIn::Active {
                // Another statement of the message may ask again.
                self.copy_in = CopyIn::Possible;
            }
        }
        Ok(next)
    }
}

/// What can be wrong with a message of the client.
pub(super) enum Fault {
    Broken(Broken),
    Names,
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

fn same(judged: &Statements, now: &Statements) -> bool {
    Arc::ptr_eq(judged, now) || judged == now
}

fn texts(statements: &Statements) -> Vec<Statement> {
    statements.iter().map(|s| s.statement.clone()).collect()
}

fn unknown_name(name: &str) -> Statements {
    let text = format!("(a statement that the gate did not see prepared: {name:?})");
    let mut unknown = Analysed::unknown(&text, "execute");
    unknown.statement.effect = Effect::Unknown;
    Arc::from([unknown])
}
