//! A thread of the daemon's own that is waited for.

use std::thread::JoinHandle;

use anyhow::Context as _;

/// A thread. Dropping it waits for its end: tell it to end first.
pub(crate) struct Worker {
    name: &'static str,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread with a name of at most 15 bytes (prctl(2)).
    pub(crate) fn start(
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Self> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work);
        let thread = thread.with_context(|| format!("cannot start the thread {name}"))?;
        Ok(Self {
            name,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!(thread = self.name, "a thread had panicked");
        }
    }
}
