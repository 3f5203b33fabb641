//! Where records come from: the daemon where one answers, else the log that it has left.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sluice_api::{Client, TailPage};
use sluice_flow::ports::{SessionFilter, Sessions as _};
use sluice_flow::{Event, SessionId, SessionSummary};
use sluice_store::{LogReader, Store, StoreError};
use tokio::runtime::Runtime;

use crate::choose::Wanted;
use crate::failure::hinted;

/// A daemon, and the runtime that asks it.
pub(crate) struct Daemon {
    runtime: Runtime,
    pub(crate) client: Client,
}

impl Daemon {
    /// The daemon of a state directory.
    ///
    /// # Errors
    /// When none answers, or it may not be asked.
    pub(crate) fn find(state: &Path) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let client = runtime.block_on(Client::connect(state))?;
        Ok(Self { runtime, client })
    }

    /// Waits for an answer of the client.
    pub(crate) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}

/// Where records come from.
pub(crate) enum Source {
    /// A daemon that runs.
    Daemon(Daemon),
    /// The log, read without one.
    Log(LogReader, Runtime),
}

impl Source {
    /// # Errors
    /// When neither a daemon nor a log is there, or they may not be read.
    pub(crate) fn find(state: &Path) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        match runtime.block_on(Client::connect(state)) {
            Ok(client) => Ok(Self::Daemon(Daemon { runtime, client })),
            Err(error) if error.no_daemon() => Ok(Self::Log(log(state)?, runtime)),
            Err(error) => Err(error.into()),
        }
    }

    /// Sessions that match, oldest first.
    pub(crate) fn list(&self, filter: &SessionFilter) -> anyhow::Result<Vec<SessionSummary>> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.wait(daemon.client.sessions(filter))?),
            Self::Log(log, _) => Ok(log.list(filter)?),
        }
    }

    /// Events of a session in order.
    ///
    /// # Errors
    /// Also when there is no such session.
    pub(crate) fn events(&self, session: SessionId) -> anyhow::Result<Vec<Event>> {
        let events = match self {
            Self::Daemon(daemon) => daemon.wait(daemon.client.events(session))?,
            Self::Log(log, _) => log.events(session)?,
        };
        if events.is_empty() {
            anyhow::bail!("there is no session {session}");
        }
        Ok(events)
    }

    /// The session that an id on the command line names.
    pub(crate) fn choose(&self, wanted: &str) -> anyhow::Result<SessionId> {
        let wanted = Wanted::of(wanted)?;
        let all = match wanted {
            Wanted::Whole(_) => Vec::new(),
            Wanted::Part(_) | Wanted::Last => self.list(&SessionFilter::default())?,
        };
        let ids = all.iter().map(|session| session.id.0);
        wanted.among("session", ids).map(SessionId)
    }

    /// Events from `position` on; waits for a while where there are none.
    pub(crate) async fn tail(&self, position: u64) -> anyhow::Result<TailPage> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.client.tail(position, PAGE, WAIT).await?),
            Self::Log(log, _) => {
                let (events, position) = log.tail(position, PAGE)?;
                if events.is_empty() {
                    tokio::time::sleep(STEP).await;
                }
                Ok(TailPage { position, events })
            }
        }
    }

    pub(crate) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        match self {
            Self::Daemon(daemon) => daemon.wait(answer),
            Self::Log(_, runtime) => runtime.block_on(answer),
        }
    }
}

/// Events of a page when following.
const PAGE: usize = 500;
/// How long the daemon is asked to wait for one.
const WAIT: Duration = Duration::from_secs(20);
/// How often a log is looked at that no daemon answers for.
const STEP: Duration = Duration::from_millis(300);

/// The directory of the log in a state directory.
pub(crate) fn log_directory(state: &Path) -> std::path::PathBuf {
    state.join("log")
}

/// The log of a state directory, for reading.
pub(crate) fn log(state: &Path) -> anyhow::Result<LogReader> {
    let directory = log_directory(state);
    Store::open_read(&directory).map_err(|error| match &error {
        StoreError::Io { source, .. } if source.kind() == ErrorKind::NotFound => hinted(
            format!(
                "no sluice daemon runs for {}, and there is no session log in it",
                state.display()
            ),
            "name the state directory with --state DIR; `sluice run` and `sluice daemon` write one",
        ),
        StoreError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => hinted(
            format!(
                "the session log in {} may not be read by this user",
                state.display()
            ),
            "try it with sudo",
        ),
        _ => error.into(),
    })
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot make a runtime")
}

#[cfg(test)]
mod tests {
    use sluice_flow::ports::Recorder as _;
    use sluice_store::Options;

    use super::*;
    use crate::render::fixture;

    /// A state directory with two sessions that a daemon which is gone has left.
    fn left_behind() -> (tempfile::TempDir, Vec<SessionId>) {
        let state = tempfile::tempdir().unwrap();
        let store = Store::open(&log_directory(state.path()), Options::default()).unwrap();
        let write = |events: Vec<Event>| {
            let mut session = store.session().unwrap();
            let kinds = events.into_iter().map(|event| event.kind).collect();
            session.append(kinds).unwrap();
            session.id()
        };
        let ids = vec![
            write(fixture::postgres_session()),
            write(fixture::http_session()),
        ];
        (state, ids)
    }

    #[test]
    fn without_a_daemon_the_log_is_read() {
        let (state, ids) = left_behind();
        let source = Source::find(state.path()).unwrap();
        assert!(matches!(source, Source::Log(..)));
        let all = source.list(&SessionFilter::default()).unwrap();
        assert_eq!(
            all.iter().map(|session| session.id).collect::<Vec<_>>(),
            ids
        );
        let whole = ids[0].to_string();
        let end = whole.rsplit('-').next().unwrap();
        for wanted in [whole.as_str(), end] {
            assert_eq!(source.choose(wanted).unwrap(), ids[0], "{wanted}");
        }
        assert_eq!(source.choose("last").unwrap(), ids[1]);
        let events = source.events(ids[0]).unwrap();
        assert_eq!(events.len(), fixture::postgres_session().len());
        let page = source.wait(source.tail(0)).unwrap();
        assert!(page.events.len() >= events.len());
        let behind = source.wait(source.tail(page.position)).unwrap();
        assert!(behind.events.is_empty());
    }

    #[test]
    fn a_session_that_is_not_there_is_named() {
        let (state, _) = left_behind();
        let source = Source::find(state.path()).unwrap();
        let missing = SessionId(fixture::id(0xdead));
        let error = source.events(missing).unwrap_err().to_string();
        assert_eq!(error, format!("there is no session {missing}"));
    }

    #[test]
    fn a_directory_without_anything_says_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        let error = Source::find(state.path()).err().unwrap();
        assert!(
            error.to_string().contains("no sluice daemon runs"),
            "{error}"
        );
        assert!(Daemon::find(state.path()).is_err());
    }
}
