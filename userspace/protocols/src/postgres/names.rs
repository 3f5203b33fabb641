//! Prepared statements and portals of a session, by name.
//!
//! What a name means is what the server will take it for when the message runs. A change is
//! pending from the message that asks for it to the server's answer. Inside a pipeline a
//! message only runs if all before it succeeded, so a pending change of the same pipeline
//! counts; one of an earlier pipeline may still fail, and who asks has to wait for it.
//! SQL's PREPARE, EXECUTE, DECLARE and FETCH share the names of the protocol's messages.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sluice_flow::Pass;

use crate::sql::Analysed;

use super::limits::{MAX_NAMES, NAMED_BYTES};

/// The statements behind a name: one, or none for an empty text.
pub(crate) type Statements = Arc<[Analysed]>;

/// Number of a pipeline: what lies between two Syncs or is one simple query.
pub(crate) type Pipeline = u64;

/// A permission that was given before it is used.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) pass: Pass,
    /// The pipeline in which it was given; in a later one the operation is judged again.
    pub(crate) pipeline: Pipeline,
    /// What it was given for, names resolved.
    pub(crate) judged: Statements,
    /// People gave it: it is good for the first execution, whenever that comes.
    pub(crate) approved: bool,
}

impl Grant {
    fn is_good_in(&self, pipeline: Pipeline) -> bool {
        self.approved || self.pipeline == pipeline
    }
}

/// Something that has a name.
#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) statements: Statements,
    pub(crate) grant: Option<Grant>,
}

/// A change of what names mean.
#[derive(Clone)]
pub(crate) enum Change {
    /// Parse, PREPARE.
    Prepare(String, Named),
    /// Close of a statement, DEALLOCATE; all of them without a name.
    Deallocate(Option<String>),
    /// Bind, DECLARE.
    Open(String, Named),
    /// Close of a portal.
    Close(String),
}

/// What a name means to a message of the present pipeline.
pub(crate) enum Meaning<T> {
    /// This.
    Is(T),
    /// Nothing that is known here.
    Unknown,
    /// It depends on an answer of the server that has not come.
    Pending,
}

/// There is no room for more names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

#[derive(Default)]
struct Table {
    known: HashMap<String, Named>,
    pending: VecDeque<(Pipeline, Change)>,
}

/// All names of a session.
#[derive(Default)]
pub(crate) struct Names {
    statements: Table,
    portals: Table,
    bytes: usize,
    portal_bytes: usize,
}

impl Names {
    /// Notes a change that was asked for in `pipeline`.
    pub(crate) fn ask(&mut self, pipeline: Pipeline, change: Change) -> Result<(), TooMany> {
        if let Change::Prepare(_, named) = &change {
            let text: usize = named
                .statements
                .iter()
                .map(|s| s.statement.text.len())
                .sum();
            let names = self.statements.known.len() + self.statements.pending.len();
            if names >= MAX_NAMES || self.bytes + text > NAMED_BYTES {
                return Err(TooMany);
            }
            self.bytes += text;
        }
        self.table(&change).pending.push_back((pipeline, change));
        Ok(())
    }

    /// Whether a statement of so many bytes has to wait until earlier changes are answered.
    pub(crate) fn is_crowded(&self, bytes: usize) -> bool {
        let pending = self.statements.pending.len();
        let over =
            self.statements.known.len() + pending >= MAX_NAMES || self.bytes + bytes > NAMED_BYTES;
        over && pending > 0
    }

    fn table(&mut self, change: &Change) -> &mut Table {
        match change {
            Change::Prepare(..) | Change::Deallocate(_) => &mut self.statements,
            Change::Open(..) | Change::Close(_) => &mut self.portals,
        }
    }

    /// The oldest pending change of the same kind as this was answered.
    pub(crate) fn answered(&mut self, change: ChangeKind, succeeded: bool) {
        let table = match change {
            ChangeKind::Statement => &mut self.statements,
            ChangeKind::Portal => &mut self.portals,
        };
        let Some((_, change)) = table.pending.pop_front() else {
            return;
        };
        match change {
            change if !succeeded => self.release(&change),
            Change::Prepare(name, named) => {
                if let Some(old) = self.statements.known.insert(name, named) {
                    self.forget(&old);
                }
            }
            Change::Deallocate(Some(name)) => {
                if let Some(old) = self.statements.known.remove(&name) {
                    self.forget(&old);
                }
            }
            Change::Deallocate(None) => {
                self.statements.known.clear();
                self.bytes = self
                    .statements
                    .pending
                    .iter()
                    .map(|(_, change)| bytes(change))
                    .sum();
            }
            Change::Open(name, named) => {
                let bytes = text_bytes(&named);
                if self.portals.known.len() >= MAX_NAMES || self.portal_bytes + bytes > NAMED_BYTES
                {
                    // A forgotten cursor is an unknown one, and unknown opens nothing.
                    self.portals.known.clear();
                    self.portal_bytes = 0;
                }
                self.portal_bytes += bytes;
                if let Some(old) = self.portals.known.insert(name, named) {
                    self.forget_portal(&old);
                }
            }
            Change::Close(name) => {
                if let Some(old) = self.portals.known.remove(&name) {
                    self.forget_portal(&old);
                }
            }
        }
    }

    fn release(&mut self, change: &Change) {
        self.bytes = self.bytes.saturating_sub(bytes(change));
    }

    fn forget_portal(&mut self, named: &Named) {
        self.portal_bytes = self.portal_bytes.saturating_sub(text_bytes(named));
    }

    fn forget(&mut self, named: &Named) {
        self.bytes = self.bytes.saturating_sub(text_bytes(named));
    }

    /// What a prepared statement's name means.
    pub(crate) fn statement(&self, pipeline: Pipeline, name: &str) -> Meaning<&Named> {
        self.statements.look(pipeline, name)
    }

    /// What a portal's or cursor's name means.
    pub(crate) fn portal(&self, pipeline: Pipeline, name: &str) -> Meaning<&Named> {
        self.portals.look(pipeline, name)
    }

    /// Takes the permission that came with a prepared statement, if it is still good.
    pub(crate) fn take_grant(&mut self, pipeline: Pipeline, name: &str) -> Option<Grant> {
        let named = self.statements.look_mut(name)?;
        let grant = named.grant.take()?;
        grant.is_good_in(pipeline).then_some(grant)
    }

    /// Notes the permission with which a portal runs: it covers all of its rows.
    pub(crate) fn set_portal_grant(&mut self, name: &str, grant: Grant) {
        if let Some(named) = self.portals.look_mut(name) {
            named.grant = Some(grant);
        }
    }
}

/// Which table a change belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Prepared statements.
    Statement,
    /// Portals and cursors.
    Portal,
}

impl Change {
    pub(crate) fn kind(&self) -> ChangeKind {
        match self {
            Self::Prepare(..) | Self::Deallocate(_) => ChangeKind::Statement,
            Self::Open(..) | Self::Close(_) => ChangeKind::Portal,
        }
    }
}

fn text_bytes(named: &Named) -> usize {
    named
        .statements
        .iter()
        .map(|s| s.statement.text.len())
        .sum()
}

fn bytes(change: &Change) -> usize {
    match change {
        Change::Prepare(_, named) => text_bytes(named),
        Change::Deallocate(_) | Change::Open(..) | Change::Close(_) => 0,
    }
}

impl Table {
    fn look(&self, pipeline: Pipeline, name: &str) -> Meaning<&Named> {
        for (of, change) in self.pending.iter().rev() {
            let meaning = match change {
                Change::Prepare(known, named) | Change::Open(known, named) if known == name => {
                    Meaning::Is(named)
                }
                Change::Deallocate(Some(known)) | Change::Close(known) if known == name => {
                    Meaning::Unknown
                }
                Change::Deallocate(None) => Meaning::Unknown,
                Change::Prepare(..)
                | Change::Open(..)
                | Change::Deallocate(_)
                | Change::Close(_) => continue,
            };
            return if *of == pipeline {
                meaning
            } else {
                Meaning::Pending
            };
        }
        match self.known.get(name) {
            Some(named) => Meaning::Is(named),
            None => Meaning::Unknown,
        }
    }

    /// The newest meaning of a name, to be changed.
    fn look_mut(&mut self, name: &str) -> Option<&mut Named> {
        let pending = self.pending.iter_mut().rev();
        for (_, change) in pending {
            match change {
                Change::Prepare(known, named) | Change::Open(known, named) if known == name => {
                    return Some(named);
                }
                Change::Prepare(..)
                | Change::Open(..)
                | Change::Deallocate(_)
                | Change::Close(_) => {}
            }
        }
        self.known.get_mut(name)
    }
}
