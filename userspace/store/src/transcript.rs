//! A session as it is read: answers stand in their operations.

use sluice_flow::{Event, EventKind};

/// Puts every `answered` event into the operation that it answers, and leaves it out. One
/// whose operation is not there stays as it is.
#[must_use]
pub fn fold_answers(events: Vec<Event>) -> Vec<Event> {
    let mut folded: Vec<Event> = Vec::with_capacity(events.len());
    for event in events {
        if !answer(&mut folded, &event) {
            folded.push(event);
        }
    }
    folded
}

fn answer(events: &mut [Event], answered: &Event) -> bool {
    let EventKind::Answered {
        operation,
        status,
        tag,
        rows,
    } = &answered.kind
    else {
        return false;
    };
    // Sequence numbers rise, and what is left out only moves an event to the front.
    let Ok(at) = events.binary_search_by_key(operation, |event| event.seq) else {
        return false;
    };
    match events.get_mut(at).map(|event| &mut event.kind) {
        Some(EventKind::Operation(record)) => {
            record.status = status.or(record.status);
            record.tag = tag.clone().or_else(|| record.tag.take());
            record.rows = rows.or(record.rows);
            true
        }
        _ => false,
    }
}
