//! Which sessions are asked for.

use globset::{GlobBuilder, GlobMatcher};
use sluice_flow::SessionSummary;
use sluice_flow::ports::SessionFilter;

use crate::error::{Result, StoreError};

/// A [`SessionFilter`] that is ready to be asked.
pub(crate) struct Filter<'a> {
    asked: &'a SessionFilter,
    process: Option<GlobMatcher>,
    /// A process glob without a slash is compared with the last part of the path.
    process_by_name: bool,
    host: Option<GlobMatcher>,
}

impl<'a> Filter<'a> {
    pub(crate) fn new(asked: &'a SessionFilter) -> Result<Self> {
        let host = asked.host.as_deref().map(str::to_ascii_lowercase);
        Ok(Self {
            process: asked
                .process
                .as_deref()
                .map(|text| glob(text, true))
                .transpose()?,
            process_by_name: asked
                .process
                .as_deref()
                .is_some_and(|text| !text.contains('/')),
            host: host.as_deref().map(|text| glob(text, false)).transpose()?,
            asked,
        })
    }

    pub(crate) fn matches(&self, session: &SessionSummary) -> bool {
        self.job(session)
            && self.time(session)
            && self
                .asked
                .verdict
                .as_ref()
                .is_none_or(|verdict| *verdict == session.verdict)
            && self.process(session)
            && self.host(session)
    }

    fn job(&self, session: &SessionSummary) -> bool {
        let Some(asked) = &self.asked.job else {
            return true;
        };
        let job = session.job.as_ref();
        job.is_some_and(|job| job.name == *asked || job.id.to_string() == *asked)
    }

    fn time(&self, session: &SessionSummary) -> bool {
        self.asked.since.is_none_or(|since| session.opened >= since)
            && self.asked.until.is_none_or(|until| session.opened < until)
    }

    fn process(&self, session: &SessionSummary) -> bool {
        let Some(glob) = &self.process else {
            return true;
        };
        session.lineage.iter().any(|exec| {
            let name = exec.exe.rsplit('/').next().unwrap_or(&exec.exe);
            glob.is_match(if self.process_by_name {
                name
            } else {
                &exec.exe
            })
        })
    }

    fn host(&self, session: &SessionSummary) -> bool {
        let Some(glob) = &self.host else {
            return true;
        };
        session.destination.as_ref().is_some_and(|to| {
            to.host.as_deref().is_some_and(|host| glob.is_match(host))
                || glob.is_match(to.ip.to_string())
        })
    }
}

/// `*` stays inside a part of a path, as in policies; a host has one part, for convenience.
fn glob(text: &str, path: bool) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(text).literal_separator(path).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| StoreError::Glob {
            glob: text.to_owned(),
            why: error.kind().to_string(),
        })
}
