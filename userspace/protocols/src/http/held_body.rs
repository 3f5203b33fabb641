//! The body of a request that people are asked about: it is read before they are, and stays where
//! it is until they have answered. What they agreed to is then what is sent.

use sluice_flow::HttpBody;
use sluice_flow::gate::Gate;
use sluice_flow::session::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::error::Fault;
use super::fields::Body;
use super::frames::Frames;
use super::limits::{HELD_BODY, HELD_BODY_TIME};
use super::serve::{Asked, Connection, Dial, Step};

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<C, D, G> Connection<'_, C, D, G>
where
    C: AsyncRead + AsyncWrite + Unpin,
    D: Dial,
    G: Gate,
{
    /// Reads the body behind a head, both of which stay at the start of the client's bytes; and
    /// how many bytes it has.
    pub(super) async fn read_body(&mut self, asked: &Asked) -> Step<(HttpBody, usize)> {
        if let Body::Length(length) = asked.head.body
            && length > HELD_BODY as u64
        {
            return Ok((too_large(), 0));
        }
        // A client that waits to be told so does not send it else. The server's own word comes
        // later, and a client takes any number of them (RFC 9110 section 15.2).
        if asked.head.expects_continue {
            let told = self.client.out.write_all(CONTINUE).await;
            if told.is_err() || self.client.out.flush().await.is_err() {
                return Err(Outcome::Failed);
            }
        }
        let Some(bytes) = self.whole_body(asked).await? else {
            return Ok((too_large(), 0));
        };
        let behind = self.client.incoming.bytes.get(asked.head_bytes..);
        let body = behind.and_then(|behind| behind.get(..bytes));
        Ok((HttpBody::held(body.unwrap_or_default()), bytes))
    }

    /// Waits until all of the body is there; its bytes, or `None` when they are too many.
    async fn whole_body(&mut self, asked: &Asked) -> Step<Option<usize>> {
        let mut frames = Frames::of(asked.head.body);
        let until = Instant::now() + HELD_BODY_TIME;
        let mut bytes = 0;
        loop {
            let start = asked.head_bytes + bytes;
            let unread = self.client.incoming.bytes.get(start..).unwrap_or_default();
            match frames.measure(unread) {
                Ok(read) => bytes += read,
                Err(fault) => return Err(self.reject(fault).await),
            }
            if bytes > HELD_BODY {
                return Ok(None);
            }
            if frames.is_done() {
                return Ok(Some(bytes));
            }
            match timeout_at(until, self.client.incoming.fill()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) => return Err(self.reject(Fault::CutShort).await),
                Ok(Err(_)) => return Err(Outcome::Failed),
                Err(_) => return Err(self.reject(Fault::BodyTooSlow).await),
            }
        }
    }
}

fn too_large() -> HttpBody {
    HttpBody::TooLarge {
        limit: HELD_BODY as u64,
    }
}
