//! `sessions follow`: what happens, as it happens.

use std::collections::HashMap;

use globset::{GlobBuilder, GlobMatcher};
use sluice_flow::ports::SessionFilter;
use sluice_flow::{Event, EventKind, SessionId, SessionSummary};

use crate::args::FollowSessions;
use crate::paper::{Paint, print, print_json};
use crate::render;
use crate::source::Source;

/// Follows until Ctrl-C, or until nobody reads.
pub(super) fn follow(source: &Source, options: &FollowSessions) -> anyhow::Result<()> {
    let mut watched = Watched::new(options.filter.asked())?;
    source.wait(async {
        let mut position = if options.from_start { 0 } else { u64::MAX };
        loop {
            let page = tokio::select! {
                page = source.tail(position) => page?,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            };
            position = page.position;
            for event in page.events {
                let Some(session) = watched.take(&event) else {
                    continue;
                };
                if options.output.json {
                    print_json([&event])?;
                } else {
                    print(&render::followed(&event, session, Paint::of_stdout()))?;
                }
                watched.forget_closed(&event);
            }
        }
    })
}

/// The sessions that are open while they are followed.
struct Watched {
    filter: SessionFilter,
    process: Option<GlobMatcher>,
    host: Option<GlobMatcher>,
    open: HashMap<SessionId, SessionSummary>,
}

impl Watched {
    fn new(filter: SessionFilter) -> anyhow::Result<Self> {
        Ok(Self {
            process: filter
                .process
                .as_deref()
                .map(|text| glob(text, true))
                .transpose()?,
            host: filter
                .host
                .as_deref()
                .map(|text| glob(text, false))
                .transpose()?,
            filter,
            open: HashMap::new(),
        })
    }

    /// Folds an event in; gives its session where that is followed. Of one that was opened
    /// before, nothing is known but what still comes: it is followed where all are.
    fn take(&mut self, event: &Event) -> Option<&SessionSummary> {
        let new = || SessionSummary::new(event.session, event.at);
        let session = self.open.entry(event.session).or_insert_with(new);
        session.apply(event);
        let session = self.open.get(&event.session)?;
        self.matches(session).then_some(session)
    }

    fn forget_closed(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Closed { .. }) {
            self.open.remove(&event.session);
        }
    }

    /// As the store's filter, for a session that is still going on.
    fn matches(&self, session: &SessionSummary) -> bool {
        let job = self.filter.job.as_ref().is_none_or(|asked| {
            let job = session.job.as_ref();
            job.is_some_and(|job| job.name == *asked || job.id.to_string() == *asked)
        });
        let by_name = self
            .filter
            .process
            .as_deref()
            .is_some_and(|asked| !asked.contains('/'));
        let process = self.process.as_ref().is_none_or(|glob| {
            session.lineage.iter().any(|exec| {
                let name = exec.exe.rsplit('/').next().unwrap_or(&exec.exe);
                glob.is_match(if by_name { name } else { &exec.exe })
            })
        });
        let host = self.host.as_ref().is_none_or(|glob| {
            session.destination.as_ref().is_some_and(|to| {
                to.host.as_deref().is_some_and(|host| glob.is_match(host))
                    || glob.is_match(to.ip.to_string())
            })
        });
        let verdict = self.filter.verdict.as_ref();
        job && process && host && verdict.is_none_or(|asked| *asked == session.verdict)
    }
}

fn glob(text: &str, path: bool) -> anyhow::Result<GlobMatcher> {
    let lower = if path {
        text.to_owned()
    } else {
        text.to_ascii_lowercase()
    };
    let glob = GlobBuilder::new(&lower).literal_separator(path).build()?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    fn follows(filter: SessionFilter) -> Vec<u64> {
        let mut watched = Watched::new(filter).unwrap();
        let events = fixture::postgres_session();
        let seen = events.iter().filter(|event| watched.take(event).is_some());
        seen.map(|event| event.seq).collect()
    }

    #[test]
    fn a_filter_holds_from_the_moment_it_is_true() {
        let all: Vec<u64> = fixture::postgres_session()
            .iter()
            .map(|event| event.seq)
            .collect();
        let with = |set: fn(&mut SessionFilter)| {
            let mut filter = SessionFilter::default();
            set(&mut filter);
            follows(filter)
        };
        assert_eq!(with(|_| {}), all);
        assert_eq!(with(|f| f.job = Some("payments-ci".to_owned())), all);
        assert_eq!(with(|f| f.process = Some("psql".to_owned())), all);
        assert_eq!(with(|f| f.process = Some("**/bin/psql".to_owned())), all);
        assert_eq!(with(|f| f.host = Some("DB.*".to_owned())), all);
        assert_eq!(with(|f| f.host = Some("192.0.2.*".to_owned())), all);
        assert!(with(|f| f.job = Some("other".to_owned())).is_empty());
        assert!(with(|f| f.process = Some("curl".to_owned())).is_empty());
        assert!(with(|f| f.host = Some("api.*".to_owned())).is_empty());
        let denied = with(|f| f.verdict = Some("deny".to_owned()));
        assert!(!denied.is_empty() && denied.len() < all.len(), "{denied:?}");
    }

    #[test]
    fn closed_sessions_are_forgotten() {
        let mut watched = Watched::new(SessionFilter::default()).unwrap();
        for event in fixture::postgres_session() {
            watched.take(&event);
            watched.forget_closed(&event);
        }
        assert!(watched.open.is_empty());
    }
}
