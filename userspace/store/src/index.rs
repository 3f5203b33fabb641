//! The index: finds sessions without reading the log. All of it can be made from the log.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sluice_flow::ports::SessionFilter;
use sluice_flow::{ExecId, SessionId, SessionSummary};
use uuid::Uuid;

use crate::error::{Result, StoreError};
use crate::filter::Filter;
use crate::frame::{Hash, NONE};
use crate::live::Folded;

/// Memory that sled may keep pages in.
const CACHE_BYTES: u64 = 8 << 20;
/// How many edges between execs are remembered as written already.
const KNOWN_EDGES: usize = 16 * 1024;

/// How far the index has taken the log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Every session that has a record before this position is in the index.
    pub(crate) through: u64,
    /// The chain's hash there: an index of another log is told by it.
    pub(crate) hash: Hash,
    /// The last note, and how many there were.
    pub(crate) last_note: u64,
    pub(crate) notes: u64,
}

impl Checkpoint {
    pub(crate) const START: Self = Self {
        through: 0,
        hash: [0; 32],
        last_note: NONE,
        notes: 0,
    };
}

/// What is kept of a session: its line, and where its last record is.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    last: u64,
    summary: SessionSummary,
}

/// An open index.
pub(crate) struct Index {
    path: PathBuf,
    db: sled::Db,
    /// Session -> [`Entry`] as JSON.
    sessions: sled::Tree,
    /// Opened (microseconds, big-endian), session -> nothing.
    by_time: sled::Tree,
    /// Exec that opened the flow, session -> nothing.
    by_exec: sled::Tree,
    /// Exec, the next one in a lineage -> nothing. An exec's sessions are those of all that
    /// descend from it; writing them under every ancestor would cost a write for each.
    children: sled::Tree,
    /// Digest of a policy -> position of its note.
    policies: sled::Tree,
    known_edges: Mutex<HashSet<[u8; 64]>>,
}

const CHECKPOINT: &[u8] = b"checkpoint";

impl Index {
    /// Opens or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        guarded(path, || {
            let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES);
            let db = config.open()?;
            Ok(Self {
                path: path.to_owned(),
                sessions: db.open_tree("sessions")?,
                by_time: db.open_tree("by_time")?,
                by_exec: db.open_tree("by_exec")?,
                children: db.open_tree("children")?,
                policies: db.open_tree("policies")?,
                known_edges: Mutex::default(),
                db,
            })
        })
    }

    fn guarded<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
        guarded(&self.path, work)
    }

    fn damaged(&self, why: &dyn ToString) -> StoreError {
        StoreError::Index {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }

    /// Takes closed sessions in. Doing it twice is the same as doing it once.
    pub(crate) fn put(&self, closed: &[Folded]) -> Result<()> {
        let mut batches = [(); 4].map(|()| sled::Batch::default());
        let [sessions, by_time, by_exec, children] = &mut batches;
        for folded in closed {
            let summary = &folded.summary;
            let entry = Entry {
                last: folded.last,
                summary: summary.clone(),
            };
            let entry = serde_json::to_vec(&entry).map_err(|error| self.damaged(&error))?;
            sessions.insert(summary.id.0.as_bytes(), entry);
            by_time.insert(time_key(micros(summary), summary.id).as_slice(), &[]);
            if let Some(leaf) = summary.lineage.last() {
                by_exec.insert(two(&exec_key(&leaf.id), summary.id.0.as_bytes()), &[]);
            }
            for edge in self.new_edges(summary) {
                children.insert(edge.as_slice(), &[]);
            }
        }
        let [sessions, by_time, by_exec, children] = batches;
        self.guarded(|| {
            self.children.apply_batch(children)?;
            self.by_exec.apply_batch(by_exec)?;
            self.sessions.apply_batch(sessions)?;
            self.by_time.apply_batch(by_time)
        })
    }

    fn new_edges(&self, summary: &SessionSummary) -> Vec<[u8; 64]> {
        let mut known = self.known_edges.lock();
        if known.len() > KNOWN_EDGES {
            known.clear();
        }
        let pairs = summary.lineage.iter().zip(summary.lineage.iter().skip(1));
        pairs
            .map(|(parent, child)| edge(&exec_key(&parent.id), &exec_key(&child.id)))
            .filter(|edge| known.insert(*edge))
            .collect()
    }

    pub(crate) fn put_policy(&self, digest: &str, position: u64) -> Result<()> {
        self.guarded(|| self.policies.insert(digest, &position.to_be_bytes()))?;
        Ok(())
    }

    pub(crate) fn policy(&self, digest: &str) -> Result<Option<u64>> {
        let found = self.guarded(|| self.policies.get(digest))?;
        Ok(found.and_then(|bytes| Some(u64::from_be_bytes(*bytes.first_chunk()?))))
    }

    /// Forgets sessions, and policies that were noted before `through`. Edges between execs stay:
    /// other sessions may hang on them.
    pub(crate) fn forget(&self, sessions: &[SessionId], through: u64) -> Result<()> {
        for id in sessions {
            let Some((summary, _)) = self.find(*id)? else {
                continue;
            };
            let leaf = summary.lineage.last();
            let leaf = leaf.map(|leaf| two(&exec_key(&leaf.id), id.0.as_bytes()));
            self.guarded(|| {
                self.by_time.remove(time_key(micros(&summary), *id))?;
                if let Some(leaf) = &leaf {
                    self.by_exec.remove(leaf)?;
                }
                self.sessions.remove(id.0.as_bytes())
            })?;
        }
        self.guarded(|| {
            for entry in &self.policies {
                let (digest, position) = entry?;
                let position = position
                    .first_chunk()
                    .map(|bytes| u64::from_be_bytes(*bytes));
                if position.is_none_or(|position| position < through) {
                    self.policies.remove(digest)?;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        match self.guarded(|| self.db.get(CHECKPOINT))? {
            None => Ok(Checkpoint::START),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.damaged(&error)),
        }
    }

    pub(crate) fn set_checkpoint(&self, checkpoint: &Checkpoint) -> Result<()> {
        let bytes = serde_json::to_vec(checkpoint).map_err(|error| self.damaged(&error))?;
        self.guarded(|| self.db.insert(CHECKPOINT, bytes))?;
        Ok(())
    }

    /// A session's line and the position of its last record.
    pub(crate) fn find(&self, id: SessionId) -> Result<Option<(SessionSummary, u64)>> {
        let found = self.guarded(|| self.sessions.get(id.0.as_bytes()))?;
        let entry = found.map(|bytes| self.entry(&bytes)).transpose()?;
        Ok(entry.map(|entry| (entry.summary, entry.last)))
    }

    fn entry(&self, bytes: &[u8]) -> Result<Entry> {
        serde_json::from_slice(bytes).map_err(|error| self.damaged(&error))
    }

    /// Sessions that match, newest first, at most `asked.limit`.
    pub(crate) fn list(
        &self,
        asked: &SessionFilter,
        filter: &Filter<'_>,
    ) -> Result<Vec<SessionSummary>> {
        let low = asked
            .since
            .map_or(0, |time| time_part(time.as_microsecond()));
        let until = asked
            .until
            .map(|time| time.as_microsecond().saturating_add(1));
        let high = until.map_or(u64::MAX, time_part);
        let range = time_key(low, SessionId(Uuid::nil()))..=time_key(high, SessionId(Uuid::max()));
        let mut found = Vec::new();
        let mut keys = self.guarded(|| Ok(self.by_time.range(range)))?.rev();
        while found.len() < asked.limit.unwrap_or(usize::MAX) {
            let Some((key, _)) = self.guarded(|| keys.next().transpose())? else {
                break;
            };
            let id = key
                .last_chunk::<16>()
                .map(|id| SessionId(Uuid::from_bytes(*id)));
            let session = id.map(|id| self.find(id)).transpose()?.flatten();
            let (summary, _) = session.ok_or_else(|| self.damaged(&"a session is missing"))?;
            if filter.matches(&summary) {
                found.push(summary);
            }
        }
        Ok(found)
    }

    /// Sessions of an exec and of all that descend from it, in the order of their ids.
    pub(crate) fn of_exec(&self, exec: &ExecId) -> Result<Vec<SessionId>> {
        let mut sessions = Vec::new();
        let mut seen = HashSet::from([exec_key(exec)]);
        let mut next = vec![exec_key(exec)];
        while let Some(exec) = next.pop() {
            for key in self.keys(&self.by_exec, &exec)? {
                let id = key.last_chunk::<16>();
                sessions.extend(id.map(|id| SessionId(Uuid::from_bytes(*id))));
            }
            for key in self.keys(&self.children, &exec)? {
                let child = key.last_chunk::<32>().copied();
                next.extend(child.filter(|child| seen.insert(*child)));
            }
        }
        sessions.sort_unstable();
        Ok(sessions)
    }

    fn keys(&self, tree: &sled::Tree, prefix: &[u8]) -> Result<Vec<sled::IVec>> {
        self.guarded(|| tree.scan_prefix(prefix).keys().collect())
    }

    /// Sees to it that the next start finds what was taken in.
    pub(crate) fn flush(&self) -> Result<()> {
        self.guarded(|| self.db.flush())?;
        Ok(())
    }
}

/// Does something with sled. A damaged one does not always fail with an error.
fn guarded<T>(path: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    let failed = |why: String| StoreError::Index {
        path: path.to_owned(),
        why,
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("it is damaged".to_owned())),
    }
}

fn micros(summary: &SessionSummary) -> u64 {
    time_part(summary.opened.as_microsecond())
}

/// Times before 1970 are all the first.
fn time_part(micros: i64) -> u64 {
    u64::try_from(micros).unwrap_or(0)
}

fn time_key(micros: u64, id: SessionId) -> Vec<u8> {
    two(&micros.to_be_bytes(), id.0.as_bytes())
}

fn exec_key(exec: &ExecId) -> [u8; 32] {
    let number = (u128::from(exec.process.tgid) << 96)
        | (u128::from(exec.process.started) << 32)
        | u128::from(exec.ordinal);
    let mut key = [0; 32];
    let bytes = exec
        .boot
        .as_bytes()
        .iter()
        .copied()
        .chain(number.to_be_bytes());
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    key
}

fn two(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first, second].concat()
}

fn edge(parent: &[u8; 32], child: &[u8; 32]) -> [u8; 64] {
    let mut key = [0; 64];
    let bytes = parent.iter().chain(child);
    key.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    key
}
