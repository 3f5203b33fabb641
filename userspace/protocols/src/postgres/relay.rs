//! Moves bytes both ways at once: one task, no lock, and no copy that is not needed.
//!
//! Each round takes what the server and the client sent as far as it goes, writes what that
//! gave, and waits. Where one side does not take its bytes, the other is not read.

use std::future::poll_fn;
use std::io::ErrorKind::UnexpectedEof;
use std::pin::Pin;
use std::task::{Context, Poll};

use sluice_flow::gate::{Direction, no_body};
use sluice_flow::{Cause, Gate, Hold, Judgement, Operation, Pass, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};

use super::buffer::{Buffer, Pipe};
use super::downward::Reply;
use super::error::ServeError;
use super::limits::{HELD_BYTES, READ_AHEAD};
use super::refusal;
use super::session::Session;
use super::upward::Next;
use super::verdicts::Ask;

/// An operation that waits for people.
struct Held {
    answer: Hold,
    ask: Box<Ask>,
}

/// What ended a wait.
enum Event {
    /// Bytes came, or there is room again.
    Moved,
    /// The held operation was answered.
    Answered(Box<Result<Pass, Refusal>>),
    /// Somebody cancelled the held operation.
    Cancelled,
}

/// Two sides and what is between them.
pub(super) struct Relay<'a> {
    pub(super) session: Session<'a>,
    client: Buffer,
    upstream: Buffer,
    /// Bytes that the front of each side takes before anything can be said.
    client_need: usize,
    upstream_need: usize,
    /// The client's front waits for the server or for people.
    waiting: bool,
    held: Option<Held>,
    client_open: bool,
    upstream_open: bool,
    /// The server was told that no more comes.
    up_shut: bool,
    up_pipe: Pipe,
    down_pipe: Pipe,
    counted_up: u64,
    counted_down: u64,
}

impl<'a> Relay<'a> {
    pub(super) fn new(session: Session<'a>, client: Buffer) -> Self {
        Self {
            session,
            client,
            upstream: Buffer::default(),
            client_need: 0,
            upstream_need: 0,
            waiting: false,
            held: None,
            client_open: true,
            upstream_open: true,
            up_shut: false,
            up_pipe: Pipe::default(),
            down_pipe: Pipe::default(),
            counted_up: 0,
            counted_down: 0,
        }
    }

    pub(super) async fn run<C, S, G>(
        &mut self,
        client: &mut C,
        upstream: &mut S,
        gate: &mut G,
    ) -> Result<(), ServeError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
        G: Gate,
    {
        loop {
            self.take_upstream(gate)?;
            self.take_client(gate).await?;
            if self.is_over() {
                return Ok(());
            }
            let event = poll_fn(|context| self.poll(context, client, upstream)).await?;
            self.count(gate);
            match event {
                Event::Moved => {}
                Event::Answered(answer) => self.answered(*answer)?,
                Event::Cancelled => self.cancelled(gate)?,
            }
        }
    }

    /// Both sides are done and everything was passed on.
    fn is_over(&self) -> bool {
        !self.upstream_open && self.session.down.is_empty()
            || !self.client_open && self.up_shut && !self.upstream_open
    }

    /// Takes what the server sent as far as it goes.
    fn take_upstream<G: Gate>(&mut self, gate: &mut G) -> Result<(), ServeError> {
        self.upstream_need = 0;
        while !self.upstream.is_empty() && self.session.down.len() < READ_AHEAD {
            match self.session.reply(self.upstream.bytes(), gate)? {
                Reply::Took(count) => self.upstream.consume(count),
                Reply::Need(count) => {
                    self.upstream_need = count;
                    break;
                }
            }
        }
        if self.session.down_passing == 0
            && let Some(notice) = self.session.notice.take()
        {
            refusal::notice(&mut self.session.down, &notice);
        }
        Ok(())
    }

    /// Takes what the client sent as far as verdicts and answers let it go.
    async fn take_client<G: Gate>(&mut self, gate: &mut G) -> Result<(), ServeError> {
        self.waiting = self.held.is_some();
        self.client_need = 0;
        while !self.waiting && !self.client.is_empty() && self.session.up.len() < READ_AHEAD {
            match self.session.next(self.client.bytes())? {
                Next::Took(count) => self.client.consume(count),
                Next::End => {
                    // What comes behind Terminate goes nowhere.
                    self.client = Buffer::default();
                    self.client_open = false;
                    return Ok(());
                }
                Next::Need(count) => {
                    self.client_need = count;
                    return Ok(());
                }
                Next::Wait => self.waiting = true,
                Next::Judge(operation, ask) => self.judge(*operation, ask, gate).await?,
            }
        }
        Ok(())
    }

    async fn judge<G: Gate>(
        &mut self,
        operation: Operation,
        ask: Box<Ask>,
        gate: &mut G,
    ) -> Result<(), ServeError> {
        // The operation is on record before its bytes go anywhere.
        match gate.judge(operation).await {
            Judgement::Forward(pass) => self.granted(*ask, pass, false),
            Judgement::Refuse(refusal) => self.refused(&ask, refusal),
            Judgement::ReadBody(_) => self.refused(&ask, no_body()),
            Judgement::Hold(answer) => {
                self.session.notice = Some(answer.message.clone());
                if let Some(registration) = &self.session.registration {
                    registration.forget();
                }
                self.held = Some(Held { answer, ask });
                self.waiting = true;
                if self.session.down_passing == 0
                    && let Some(notice) = self.session.notice.take()
                {
                    refusal::notice(&mut self.session.down, &notice);
                }
                Ok(())
            }
        }
    }

    fn granted(&mut self, ask: Ask, pass: Pass, approved: bool) -> Result<(), ServeError> {
        let frame = ask.frame;
        self.session
            .granted(ask, self.client.bytes(), pass, approved)?;
        self.client.consume(frame);
        Ok(())
    }

    fn refused(&mut self, ask: &Ask, refusal: Refusal) -> Result<(), ServeError> {
        if refusal.cause.response().closes && refusal.cause != Cause::Withdrawn {
            return Err(ServeError::Refused(refusal));
        }
        self.session.refused(ask, &refusal);
        self.client.consume(ask.frame);
        Ok(())
    }

    fn answered(&mut self, answer: Result<Pass, Refusal>) -> Result<(), ServeError> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        match answer {
            Ok(pass) => self.granted(*held.ask, pass, true),
            Err(refusal) => self.refused(&held.ask, refusal),
        }
    }

    /// A CancelRequest for the session while its operation is held: the request is withdrawn.
    fn cancelled<G: Gate>(&mut self, gate: &mut G) -> Result<(), ServeError> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        drop(held.answer);
        let refusal = Refusal::of(Cause::Withdrawn, "canceled by the user while it was held");
        gate.refused(&refusal);
        self.refused(&held.ask, refusal)
    }

    /// Writes what there is to write, then reads what there is room for.
    fn poll<C, S>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
        upstream: &mut S,
    ) -> Poll<Result<Event, ServeError>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let up_full = self.session.up.len() >= READ_AHEAD;
        let down_full = self.session.down.len() >= READ_AHEAD;
        match self.up_pipe.write(context, upstream, &mut self.session.up) {
            Ok(written) => self.counted_up += written,
            // It may have said why before it went: that is still to be read.
            Err(_) => self.up_shut = true,
        }
        if self.up_shut {
            self.session.up.clear();
        }
        let down = self
            .down_pipe
            .write(context, client, &mut self.session.down);
        self.counted_down += down.map_err(ServeError::ClientGone)?;
        let mut moved = (up_full && self.session.up.len() < READ_AHEAD)
            || (down_full && self.session.down.len() < READ_AHEAD);
        moved |= self.shut(context, upstream)?;
        moved |= self.read_client(context, client)?;
        moved |= self.read_upstream(context, upstream)?;
        if self.is_over() {
            moved = true;
        }
        if self.is_left_unanswered() {
            return Poll::Ready(Err(ServeError::ClientGone(UnexpectedEof.into())));
        }
        if let Poll::Ready(event) = self.poll_held(context)? {
            return Poll::Ready(Ok(event));
        }
        if moved {
            Poll::Ready(Ok(Event::Moved))
        } else {
            Poll::Pending
        }
    }

    /// Tells the server that no more comes, once everything was sent.
    fn shut<S: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut S,
    ) -> Result<bool, ServeError> {
        let rest = !self.session.up.is_empty() || (!self.client.is_empty() && !self.stuck());
        if self.client_open || self.up_shut || rest {
            return Ok(false);
        }
        match Pin::new(upstream).poll_shutdown(context) {
            Poll::Pending => Ok(false),
            Poll::Ready(_) => {
                self.up_shut = true;
                Ok(true)
            }
        }
    }

    /// The server waits for a password, the client sent queries instead and went: they would
    /// wait for an answer that never comes.
    fn is_left_unanswered(&self) -> bool {
        let asked = self.session.asked_to_authenticate && self.session.down.is_empty();
        asked && self.waiting && !self.client_open
    }

    /// What the client left behind is half a message and never gets whole.
    fn stuck(&self) -> bool {
        self.client_need > self.client.len()
    }

    fn read_client<C: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        client: &mut C,
    ) -> Result<bool, ServeError> {
        let room = match &self.held {
            Some(held) => HELD_BYTES + held.ask.frame,
            None if self.waiting => HELD_BYTES,
            None => READ_AHEAD.max(self.client_need),
        };
        if !self.client_open || self.client.len() >= room {
            return Ok(false);
        }
        match self.client.poll_fill(context, client) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(count)) => {
                self.client_open = count > 0;
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(ServeError::ClientGone(error)),
        }
    }

    fn read_upstream<S: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut S,
    ) -> Result<bool, ServeError> {
        let room = READ_AHEAD.max(self.upstream_need);
        if !self.upstream_open
            || self.upstream.len() >= room
            || self.session.down.len() >= READ_AHEAD
        {
            return Ok(false);
        }
        match self.upstream.poll_fill(context, upstream) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(count)) => {
                self.upstream_open = count > 0;
                Ok(true)
            }
            // A reset is an end: what was read before it is passed on.
            Poll::Ready(Err(_)) => {
                self.upstream_open = false;
                Ok(true)
            }
        }
    }

    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, ServeError>> {
        let Some(held) = &mut self.held else {
            return Poll::Pending;
        };
        if !self.client_open {
            // Dropping the hold withdraws the request.
            return Poll::Ready(Err(ServeError::Withdrawn));
        }
        if let Poll::Ready(answer) = held.answer.answer.as_mut().poll(context) {
            return Poll::Ready(Ok(Event::Answered(Box::new(answer))));
        }
        match &self.session.registration {
            Some(registration) => registration
                .poll_asked(context)
                .map(|()| Ok(Event::Cancelled)),
            None => Poll::Pending,
        }
    }

    /// Tells the gate how many bytes passed.
    pub(super) fn count<G: Gate>(&mut self, gate: &mut G) {
        for (direction, counted) in [
            (Direction::Up, &mut self.counted_up),
            (Direction::Down, &mut self.counted_down),
        ] {
            let passed = std::mem::take(counted);
            if passed > 0 {
                gate.passed(direction, passed);
            }
        }
    }
}
