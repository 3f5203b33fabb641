use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use sluice_flow::ports::Held;

use crate::args::{Answer, ApprovalsCommand};
use crate::choose::Wanted;
use crate::paper::{Paint, print, print_json, short_id};
use crate::render;
use crate::source::Daemon;

pub(crate) fn run(state: &Path, command: ApprovalsCommand) -> anyhow::Result<ExitCode> {
    let daemon = Daemon::find(state)?;
    match command {
        ApprovalsCommand::List(output) => list(&daemon, output.json)?,
        ApprovalsCommand::Show { id, output } => show(&daemon, &id, output.json)?,
        ApprovalsCommand::Approve(answer) => give(&daemon, answer, true)?,
        ApprovalsCommand::Deny(answer) => give(&daemon, answer, false)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(daemon: &Daemon, json: bool) -> anyhow::Result<()> {
    let held = daemon.wait(daemon.client.approvals())?;
    if json {
        return print_json(held);
    }
    if held.is_empty() {
        return print("nothing waits for you\n");
    }
    print(&render::approvals(
        &held,
        Timestamp::now(),
        Paint::of_stdout(),
    ))
}

fn show(daemon: &Daemon, id: &str, json: bool) -> anyhow::Result<()> {
    let held = choose(daemon, id)?;
    if json {
        return print_json([held]);
    }
    print(&render::approval(
        &held,
        Timestamp::now(),
        Paint::of_stdout(),
    ))
}

fn give(daemon: &Daemon, answer: Answer, agree: bool) -> anyhow::Result<()> {
    let Answer { id, reason } = answer;
    // A whole id is answered as it is: the daemon knows best whether it waits.
    let id = match Wanted::of(&id)? {
        Wanted::Whole(id) => id,
        Wanted::Part(_) | Wanted::Last => choose(daemon, &id)?.id,
    };
    let remaining = daemon.wait(daemon.client.answer(id, agree, reason))?;
    print(&format!(
        "{}: {}\n",
        short_id(id),
        what_happens(agree, remaining)
    ))
}

/// What happens next, after an answer that counts.
fn what_happens(agree: bool, remaining: u32) -> String {
    match (agree, remaining) {
        (false, _) => "denied: the job is told so now".to_owned(),
        (true, 0) => "approved: exactly this operation goes on now".to_owned(),
        (true, 1) => "you agreed: it waits for 1 more person".to_owned(),
        (true, n) => format!("you agreed: it waits for {n} more people"),
    }
}

fn choose(daemon: &Daemon, id: &str) -> anyhow::Result<Held> {
    let held = daemon.wait(daemon.client.approvals())?;
    let wanted =
        Wanted::of(id)?.among("request that you may see", held.iter().map(|held| held.id))?;
    let found = held.into_iter().find(|held| held.id == wanted);
    found.ok_or_else(|| anyhow::anyhow!("no request {wanted} waits (any more)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_happens_next() {
        for (agree, remaining, says) in [
            (true, 0, "goes on now"),
            (true, 1, "1 more person"),
            (true, 2, "2 more people"),
            (false, 0, "denied"),
        ] {
            assert!(what_happens(agree, remaining).contains(says));
        }
    }
}
