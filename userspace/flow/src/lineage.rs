//! The lineage fold: kernel events in, chains of execs out.
//!
//! A chain goes from the job's root to the image that opened a flow. A process that was
//! forked and then executed something stands in it once, with what it executed; one that
//! executed several programs stands in it once for each; one that was forked and executed
//! nothing stands in it as `fork`, with the image of its parent.

mod snapshot;

use std::collections::HashMap;
use std::sync::Arc;

pub use snapshot::LineageSnapshot;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::exec::{ArgvState, BootId, Exec, ExecId, How, ProcessId};
use crate::kernel::{Actor, KernelEvent, Started};

/// The longest chain that is kept. Beyond it links in the middle are dropped and the
/// lineage is no longer complete.
pub const MAX_DEPTH: usize = 256;

/// The most processes that are kept track of, the recently exited among them. A process
/// beyond it has no lineage, and flows of it are refused.
pub const MAX_PROCESSES: usize = 131_072;

/// The chain from the job's root to the process that opened a flow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// From the root to the process.
    pub execs: Vec<Arc<Exec>>,
    /// Whether nothing is missing between the two.
    pub complete: bool,
}

impl Lineage {
    /// The image that opened the flow.
    #[must_use]
    pub fn leaf(&self) -> Option<&Exec> {
        self.execs.last().map(AsRef::as_ref)
    }

    /// The first image of the job's root process.
    #[must_use]
    pub fn root(&self) -> Option<&Exec> {
        self.execs.first().map(AsRef::as_ref)
    }

    /// The step: the first image of the root's direct child on the way to the flow.
    #[must_use]
    pub fn step(&self) -> Option<&Exec> {
        let root = self.execs.first()?;
        self.execs
            .iter()
            .find(|exec| exec.id.process != root.id.process)
            .map(AsRef::as_ref)
    }
}

/// A link of a chain. Children hold their parent, so that a chain lives as long as one of
/// its processes is remembered.
#[derive(Debug)]
struct Link {
    exec: Arc<Exec>,
    parent: Option<Arc<Link>>,
    /// For a fork image: the link of the process that forked, which its first exec hangs on.
    depth: usize,
    complete: bool,
}

#[derive(Debug)]
struct Process {
    /// The images of the process, oldest first; only the last [`KEPT_IMAGES`] of them.
    images: Vec<Arc<Link>>,
    exited: Option<u64>,
}

/// How many images of one process can be asked for by ordinal.
const KEPT_IMAGES: usize = 16;

/// Folds kernel events into chains.
#[derive(Debug)]
pub struct LineageTable {
    boot: BootId,
    boot_time: Timestamp,
    processes: HashMap<ProcessId, Process>,
    lost: u64,
}

impl LineageTable {
    /// An empty table. `boot_time` is the wall-clock time of the boot: what nanoseconds
    /// since boot are added to.
    #[must_use]
    pub fn new(boot: BootId, boot_time: Timestamp) -> Self {
        Self {
            boot,
            boot_time,
            processes: HashMap::new(),
            lost: 0,
        }
    }

    /// How many events were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How many processes are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Whether a process with this pid is a member and has not exited, as far as is known.
    #[must_use]
    pub fn lives(&self, tgid: u32) -> bool {
        self.processes
            .iter()
            .any(|(id, process)| id.tgid == tgid && process.exited.is_none())
    }

    /// Takes one event in. Refusals say nothing about lineage and are passed over.
    pub fn apply(&mut self, event: &KernelEvent) {
        match event {
            KernelEvent::Forked { parent, child, at } => self.fork(parent, *child, *at),
            KernelEvent::Started(started) => self.start(started),
            KernelEvent::Exited { actor, at } => {
                if let Some(process) = self.processes.get_mut(&actor.process) {
                    process.exited = Some(*at);
                }
            }
            KernelEvent::Lost(count) => self.lost = self.lost.saturating_add(*count),
            KernelEvent::Refused { .. } => {}
        }
    }

    /// The chain that ends in `ordinal` of `process`; `None` where nothing is known of it.
    #[must_use]
    pub fn lineage(&self, process: ProcessId, ordinal: u32) -> Option<Lineage> {
        let images = &self.processes.get(&process)?.images;
        let link = images
            .iter()
            .rev()
            .find(|link| link.exec.id.ordinal == ordinal)?;
        Some(chain(link))
    }

    /// Whether this image of this process is known.
    #[must_use]
    pub fn knows(&self, process: ProcessId, ordinal: u32) -> bool {
        self.processes.get(&process).is_some_and(|known| {
            let mut images = known.images.iter();
            images.any(|link| link.exec.id.ordinal == ordinal)
        })
    }

    /// Forgets processes that exited before `before`, nanoseconds since boot. Their links
    /// stay for as long as a descendant is remembered.
    pub fn forget_exited(&mut self, before: u64) {
        self.processes
            .retain(|_, process| process.exited.is_none_or(|at| at >= before));
    }

    fn fork(&mut self, parent: &Actor, child: ProcessId, at: u64) {
        let Some(image) = self.image(parent) else {
            return;
        };
        let id = ExecId {
            boot: self.boot,
            process: child,
            ordinal: 0,
        };
        let exec = Exec {
            id,
            pid: child.tgid,
            started: self.wall(at),
            how: How::Fork,
            ..Exec::clone(&image.exec)
        };
        self.forget_guess(child, 0);
        self.keep(child, Arc::new(link(Arc::new(exec), Some(image), true)));
    }

    fn start(&mut self, started: &Started) {
        let Actor {
            process, ordinal, ..
        } = started.actor;
        self.forget_guess(process, ordinal);
        let how = match (started.root, started.found) {
            (_, true) => How::Found,
            (true, false) => How::Root,
            (false, false) => How::Exec,
        };
        let previous = self
            .processes
            .get(&process)
            .and_then(|p| p.images.last())
            .cloned();
        let in_sequence = previous
            .as_ref()
            .is_some_and(|link| link.exec.id.ordinal.checked_add(1) == Some(ordinal));
        let parent = previous.and_then(|link| match link.exec.how {
            How::Fork => link.parent.clone(),
            How::Root | How::Exec | How::Found => Some(link),
        });
        let exec = Exec {
            id: ExecId {
                boot: self.boot,
                process,
                ordinal,
            },
            pid: process.tgid,
            exe: started.exe.clone(),
            argv: started.argv.clone(),
            argv_state: started.argv_state,
            cwd: started.cwd.clone(),
            uid: started.uid,
            cgroup: started.cgroup,
            started: self.wall(started.at),
            how,
            image: started.image,
            exe_sha256: None,
            exe_sha256_unknown: None,
        };
        let complete = how == How::Root || (how == How::Exec && in_sequence);
        self.keep(process, Arc::new(link(Arc::new(exec), parent, complete)));
    }

    /// What the kernel tells of an image takes the place of what /proc had told.
    fn forget_guess(&mut self, process: ProcessId, ordinal: u32) {
        let guessed =
            |link: &Arc<Link>| link.exec.how == How::Found && link.exec.id.ordinal == ordinal;
        if let Some(known) = self.processes.get_mut(&process)
            && known.images.last().is_some_and(guessed)
        {
            known.images.pop();
        }
    }

    fn image(&self, actor: &Actor) -> Option<Arc<Link>> {
        let images = &self.processes.get(&actor.process)?.images;
        images
            .iter()
            .rev()
            .find(|link| link.exec.id.ordinal == actor.ordinal)
            .cloned()
    }

    fn keep(&mut self, id: ProcessId, image: Arc<Link>) {
        if let Some(process) = self.processes.get_mut(&id) {
            if process.images.len() >= KEPT_IMAGES {
                process.images.remove(0);
            }
            process.images.push(image);
        } else if self.processes.len() < MAX_PROCESSES {
            self.processes.insert(
                id,
                Process {
                    images: vec![image],
                    exited: None,
                },
            );
        } else {
            self.lost = self.lost.saturating_add(1);
        }
    }

    fn wall(&self, nanoseconds: u64) -> Timestamp {
        let since_boot = SignedDuration::from_nanos(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
        self.boot_time
            .checked_add(since_boot)
            .unwrap_or(Timestamp::MAX)
    }
}

/// A link below `parent`. At [`MAX_DEPTH`] it takes its parent's place in the chain, which
/// is then no longer complete.
fn link(exec: Arc<Exec>, parent: Option<Arc<Link>>, complete: bool) -> Link {
    let Some(above) = parent else {
        return Link {
            complete: complete && exec.how == How::Root,
            exec,
            parent: None,
            depth: 1,
        };
    };
    let complete = complete && above.complete;
    match above.depth.checked_add(1) {
        Some(depth) if depth <= MAX_DEPTH => Link {
            exec,
            complete,
            depth,
            parent: Some(above),
        },
        _ => Link {
            exec,
            complete: false,
            depth: above.depth,
            parent: above.parent.clone(),
        },
    }
}

fn chain(leaf: &Arc<Link>) -> Lineage {
    let mut execs = vec![Arc::clone(&leaf.exec)];
    let mut above = leaf.parent.as_ref();
    while let Some(link) = above {
        execs.push(Arc::clone(&link.exec));
        above = link.parent.as_ref();
    }
    execs.reverse();
    let whole = execs
        .iter()
        .all(|exec| exec.argv_state != ArgvState::Faulted);
    Lineage {
        execs,
        complete: leaf.complete && whole,
    }
}

#[cfg(test)]
#[path = "lineage_tests.rs"]
mod tests;
