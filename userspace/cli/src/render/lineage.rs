//! `lineage`: the processes behind sessions, as a tree with the flows at its leaves.

use std::sync::Arc;

use sluice_flow::{ArgvState, Exec, ExecId, How, SessionSummary};

use super::chain::{command_line, place, program};
use super::event::names;
use super::sessions::remark;
use crate::paper::{Paint, count, date_time, look, one_line, short_id};

/// A process image with what came of it.
struct Node<'a> {
    exec: &'a Arc<Exec>,
    children: Vec<Node<'a>>,
    sessions: Vec<&'a SessionSummary>,
}

/// The tree of all processes behind `sessions`, job by job.
pub(crate) fn tree(sessions: &[SessionSummary], paint: Paint) -> String {
    let mut text = String::new();
    for (job, of_job) in by_job(sessions) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}\n", paint.on(look::HEAD, &job)));
        let mut roots: Vec<Node<'_>> = Vec::new();
        let mut unknown = Vec::new();
        for session in of_job {
            match session.lineage.split_first() {
                Some((root, below)) => grow(&mut roots, root, below, session),
                None => unknown.push(session),
            }
        }
        let last = roots.len().saturating_sub(1);
        for (n, root) in roots.iter().enumerate() {
            draw(root, "", n == last && unknown.is_empty(), &mut text, paint);
        }
        for session in unknown {
            text.push_str(&format!(
                "└─ process not known\n   {}\n",
                flow(session, paint)
            ));
        }
    }
    text
}

fn by_job(sessions: &[SessionSummary]) -> Vec<(String, Vec<&SessionSummary>)> {
    let mut jobs: Vec<(String, Vec<&SessionSummary>)> = Vec::new();
    for session in sessions {
        let job = session.job.as_ref().map_or_else(
            || "no job".to_owned(),
            |job| format!("{}  {}", one_line(&job.name), job.id),
        );
        match jobs.iter_mut().find(|(name, _)| *name == job) {
            Some((_, of_job)) => of_job.push(session),
            None => jobs.push((job, vec![session])),
        }
    }
    jobs
}

fn grow<'a>(
    nodes: &mut Vec<Node<'a>>,
    exec: &'a Arc<Exec>,
    below: &'a [Arc<Exec>],
    session: &'a SessionSummary,
) {
    let at = match nodes.iter().position(|node| node.exec.id == exec.id) {
        Some(at) => at,
        None => {
            nodes.push(Node {
                exec,
                children: Vec::new(),
                sessions: Vec::new(),
            });
            nodes.len() - 1
        }
    };
    let Some(node) = nodes.get_mut(at) else {
        return;
    };
    match below.split_first() {
        Some((next, below)) => grow(&mut node.children, next, below, session),
        None => node.sessions.push(session),
    }
}

fn draw(node: &Node<'_>, margin: &str, last: bool, text: &mut String, paint: Paint) {
    let (branch, below) = if last {
        ("└─ ", "   ")
    } else {
        ("├─ ", "│  ")
    };
    let exec = node.exec;
    let head = paint.on(look::HEAD, &program(exec));
    let pid = paint.on(look::DIM, &format!("pid {}", exec.pid));
    text.push_str(&format!(
        "{margin}{branch}{head}  {pid}  {}\n",
        command(exec)
    ));
    let margin = format!("{margin}{below}");
    let rule = if node.children.is_empty() {
        "   "
    } else {
        "│  "
    };
    text.push_str(&format!(
        "{margin}{rule}{}\n",
        paint.on(look::DIM, &facts(exec))
    ));
    for session in &node.sessions {
        text.push_str(&format!("{margin}{rule}{}\n", flow(session, paint)));
    }
    let last = node.children.len().saturating_sub(1);
    for (n, child) in node.children.iter().enumerate() {
        draw(child, &margin, n == last, text, paint);
    }
}

fn command(exec: &Exec) -> String {
    let line = command_line(exec);
    match exec.argv_state {
        ArgvState::Whole => line,
        ArgvState::Truncated => format!("{line} … (longer than is kept)"),
        ArgvState::Faulted => format!("{line} (arguments not readable)"),
    }
}

fn facts(exec: &Exec) -> String {
    let how = match exec.how {
        How::Root => "the job's first process",
        How::Fork => "forked, ran its parent's image",
        How::Exec => "executed",
        How::Found => "ran before sluice did; read from /proc",
    };
    format!(
        "{} · in {} · uid {} · {how} {} · {}",
        one_line(&exec.exe),
        one_line(&exec.cwd),
        exec.uid,
        date_time(exec.started),
        ExecId::to_string(&exec.id),
    )
}

fn flow(session: &SessionSummary, paint: Paint) -> String {
    let verdict = paint.on(look::verdict(&session.verdict), &one_line(&session.verdict));
    let mut line = format!(
        "⇢ {}  {}  {verdict}",
        paint.on(look::HEAD, &place(session.destination.as_ref())),
        one_line(&session.protocol),
    );
    let mut said: Vec<String> = vec![count(session.operations, "operation")];
    if session.refused > 0 {
        said.push(format!("{} refused", session.refused));
    }
    if session.masked > 0 {
        said.push(format!("{} masked", session.masked));
    }
    if !remark(session).is_empty() {
        said.push(remark(session).to_owned());
    }
    if !session.lineage_complete {
        said.push("lineage incomplete".to_owned());
    }
    said.push(format!("session {}", short_id(session.id.0)));
    line.push_str(&format!("  {}", said.join(", ")));
    let rules = names(&session.rules);
    if !rules.is_empty() {
        line.push_str(&format!("  {}", paint.on(look::DIM, &rules)));
    }
    line
}
