//! Which sessions can be cancelled: keys that a server gave out through the gate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::limits::MAX_CANCEL_KEYS;
use super::startup::CancelKey;

/// The keys of all running sessions. Cheap to clone; all clones are one registry.
///
/// A CancelRequest comes on a connection of its own, without authentication: it is relayed
/// only if its key was given out on a flow that is still open.
#[derive(Debug, Clone, Default)]
pub struct Cancels {
    sessions: Arc<Mutex<HashMap<CancelKey, Arc<Asked>>>>,
}

/// Whether somebody asked to cancel.
#[derive(Debug, Default)]
struct Asked {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Cancels {
    /// Keeps a key until the registration is dropped; `None` when there are too many: then
    /// that session cannot be cancelled.
    pub(crate) fn register(&self, key: CancelKey) -> Option<Registration> {
        let mut sessions = self.lock();
        if sessions.len() >= MAX_CANCEL_KEYS {
            return None;
        }
        let asked = Arc::new(Asked::default());
        sessions.insert(key.clone(), Arc::clone(&asked));
        Some(Registration {
            cancels: self.clone(),
            key,
            asked,
        })
    }

    /// Tells the session of this key that somebody cancels it. `false`: there is none.
    #[must_use]
    pub(crate) fn ask(&self, key: &CancelKey) -> bool {
        let asked = self.lock().get(key).cloned();
        let Some(asked) = asked else {
            return false;
        };
        let mut state = asked.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CancelKey, Arc<Asked>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that can be cancelled for as long as this lives.
#[derive(Debug)]
pub(crate) struct Registration {
    cancels: Cancels,
    key: CancelKey,
    asked: Arc<Asked>,
}

impl Registration {
    /// Ready, once for each request, when somebody asked to cancel.
    pub(crate) fn poll_asked(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self
            .asked
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.0) {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }

    /// Forgets requests from before an operation was held.
    pub(crate) fn forget(&self) {
        let mut state = self
            .asked
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.0 = false;
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.cancels.lock();
        // Another server may have given out the same key since.
        if sessions
            .get(&self.key)
            .is_some_and(|asked| Arc::ptr_eq(asked, &self.asked))
        {
            sessions.remove(&self.key);
        }
    }
}
