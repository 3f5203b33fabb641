//! The table written down, so that a daemon that is started again goes on with what the one
//! before it knew.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LineageTable, Link, Process, link};
use crate::exec::{BootId, Exec, ProcessId};

/// Everything that a [`LineageTable`] knows. Arguments are as the kernel told
/// them, with whatever secrets are in them: for root's eyes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageSnapshot {
    boot: BootId,
    /// Events that were lost so far.
    pub lost: u64,
    /// Parents stand before their children.
    links: Vec<KeptLink>,
    processes: Vec<KeptProcess>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptLink {
    exec: Arc<Exec>,
    /// Place of its parent in the list.
    parent: Option<usize>,
    complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptProcess {
    id: ProcessId,
    /// Places of its images in the list.
    images: Vec<usize>,
    exited: Option<u64>,
}

impl LineageTable {
    /// Writes the table down.
    #[must_use]
    pub fn snapshot(&self) -> LineageSnapshot {
        let mut links = Links::default();
        let processes = self.processes.iter().map(|(id, process)| KeptProcess {
            id: *id,
            images: process.images.iter().map(|l| links.place_of(l)).collect(),
            exited: process.exited,
        });
        let processes = processes.collect();
        LineageSnapshot {
            boot: self.boot,
            lost: self.lost,
            links: links.kept,
            processes,
        }
    }

    /// The table that was written down in this boot, with no event lost yet; `None` where it was another boot, or where
    /// it is not what [`Self::snapshot`] makes.
    #[must_use]
    pub fn restored(snapshot: LineageSnapshot, boot: BootId, boot_time: Timestamp) -> Option<Self> {
        if snapshot.boot != boot {
            return None;
        }
        let mut links: Vec<Arc<Link>> = Vec::with_capacity(snapshot.links.len());
        for kept in snapshot.links {
            let parent = match kept.parent {
                Some(place) => Some(links.get(place)?.clone()),
                None => None,
            };
            links.push(Arc::new(link(kept.exec, parent, kept.complete)));
        }
        let mut table = Self::new(boot, boot_time);
        for KeptProcess { id, images, exited } in snapshot.processes {
            let images: Option<Vec<_>> = images.iter().map(|at| links.get(*at).cloned()).collect();
            let images = images?;
            table.processes.insert(id, Process { images, exited });
        }
        Some(table)
    }

    /// Takes in that of all processes only these live: who is not among them ended unseen, at
    /// the latest `at` nanoseconds since boot.
    pub fn only_live(&mut self, living: &HashSet<ProcessId>, at: u64) {
        for (id, process) in &mut self.processes {
            if !living.contains(id) && process.exited.is_none() {
                process.exited = Some(at);
            }
        }
    }
}

/// Links with their places, each once.
#[derive(Default)]
struct Links {
    places: HashMap<*const Link, usize>,
    kept: Vec<KeptLink>,
}

impl Links {
    fn place_of(&mut self, leaf: &Arc<Link>) -> usize {
        // Down to the first that is known, then up again: chains are long, the stack is not.
        let (mut missing, mut next) = (Vec::new(), Some(leaf));
        let mut parent = None;
        while let Some(link) = next {
            parent = self.places.get(&Arc::as_ptr(link)).copied();
            if parent.is_some() {
                break;
            }
            missing.push(link);
            next = link.parent.as_ref();
        }
        for link in missing.into_iter().rev() {
            let place = self.kept.len();
            self.kept.push(KeptLink {
                exec: Arc::clone(&link.exec),
                parent,
                complete: link.complete,
            });
            self.places.insert(Arc::as_ptr(link), place);
            parent = Some(place);
        }
        // The leaf is known by now.
        parent.unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
