//! Refusals in HTTP's own words (RFC 9110 section 15).

use sluice_flow::{Cause, Refusal};

use super::error::Fault;

/// The refusal for a client whose bytes are wrong.
pub(super) fn of_client(fault: Fault) -> Refusal {
    let cause = match fault {
        Fault::Connect => Cause::UnknownProtocol,
        fault if fault.over_limit() => Cause::OverLimit,
        _ => Cause::ClientBroken,
    };
    Refusal::of(cause, fault.to_string())
}

/// The note about a server whose bytes are wrong.
pub(super) fn of_upstream(fault: Fault) -> Refusal {
    Refusal::of(
        Cause::UpstreamBroken,
        format!("the server's answer: {fault}"),
    )
}

/// The answer to a connection that is refused as such: whatever it asks for, it ends with it.
#[must_use]
pub fn refuse(refusal: &Refusal) -> Vec<u8> {
    answer(refusal.cause.response().http, refusal, false, true)
}

/// The answer that a client gets.
pub(super) fn answer(status: u16, refusal: &Refusal, to_head: bool, close: bool) -> Vec<u8> {
    let text = format!("{}\n", refusal.text());
    let rules: Vec<String> = refusal.rules.iter().map(ToString::to_string).collect();
    let mut answer = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\n",
        reason(status),
        text.len(),
    );
    if !rules.is_empty() {
        let visible = |c: &char| matches!(c, ' '..='~');
        answer.push_str("X-Sluice-Refused: ");
        answer.extend(rules.join(", ").chars().filter(visible));
        answer.push_str("\r\n");
    }
    if close {
        answer.push_str("Connection: close\r\n");
    }
    answer.push_str("\r\n");
    if !to_head {
        answer.push_str(&text);
    }
    answer.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Refused",
    }
}
