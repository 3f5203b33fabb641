//! Who asks, and what they may do.

use std::sync::Arc;

use axum::http::StatusCode;
use jiff::Timestamp;
use sluice_flow::ports::{Held, Person};

use crate::peer::{Peer, person};
use crate::problem::Problem;

/// Tells whether a process belongs to a job at present.
pub(crate) type IsMember = Arc<dyn Fn(u32) -> bool + Send + Sync>;

/// A person who may ask, and whether they may ask for everything.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    /// The process that asks.
    pub(crate) pid: u32,
    admin: bool,
    admins: Option<String>,
}

impl Caller {
    /// Admits a peer. Blocks: the group database may be far.
    ///
    /// Membership is asked for while the process is known to be the one that connected: first
    /// the answer, then the proof that it was about that process.
    pub(crate) fn admit(
        peer: &Peer,
        is_member: &IsMember,
        admins: Option<&str>,
    ) -> Result<Self, Problem> {
        let member = is_member(peer.pid);
        if peer.pid == 0 || !peer.lives() {
            return Err(
                forbidden("the process that connected is gone, or cannot be seen")
                    .hint("ask from this host, with the process that opens the connection"),
            );
        }
        if member {
            return Err(forbidden("a process of a job may not use the API").hint(
                "answer from a login of your own on this host; a job can never approve itself",
            ));
        }
        let person = person(peer.uid);
        let in_admins = |group: &str| person.groups.iter().any(|g| g == group);
        Ok(Self {
            admin: peer.uid == 0 || admins.is_some_and(in_admins),
            person,
            pid: peer.pid,
            admins: admins.map(str::to_owned),
        })
    }

    /// Refuses who is no administrator.
    pub(crate) fn administers(&self) -> Result<(), Problem> {
        if self.admin {
            return Ok(());
        }
        let hint = self.admins.as_ref().map_or_else(
            || "use sudo".to_owned(),
            |group| format!("use sudo, or become a member of the group {group}"),
        );
        let name = &self.person.name;
        Err(forbidden(format!(
            "{name} may only answer what is held for their groups"
        ))
        .hint(hint))
    }

    /// Whether they, being in `groups`, may see a held operation.
    pub(crate) fn may_see(&self, held: &Held, groups: &[String]) -> bool {
        let asked = held.groups(Timestamp::now());
        self.admin || asked.iter().any(|asked| groups.contains(asked))
    }
}

fn forbidden(error: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, error)
}
