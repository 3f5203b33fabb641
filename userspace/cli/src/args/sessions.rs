use clap::{Args, Subcommand, ValueEnum};
use jiff::{SpanRelativeTo, Timestamp};
use sluice_flow::ports::SessionFilter;

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Sessions, oldest first
    List(ListSessions),
    /// One session: who, where to, and every event in order
    Show {
        /// Id of the session (whole, or its start or end), or `last`
        id: String,
        #[command(flatten)]
        output: Json,
    },
    /// Events as they happen, until Ctrl-C
    Follow(FollowSessions),
}

#[derive(Debug, Args)]
pub(crate) struct ListSessions {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Opened at or after: a time, or how long ago (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Opened before: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// The newest so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) output: Json,
}

#[derive(Debug, Args)]
pub(crate) struct FollowSessions {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Start with what the log holds already
    #[arg(long)]
    pub(crate) from_start: bool,
    #[command(flatten)]
    pub(crate) output: Json,
}

/// Which sessions. All that is given must hold.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Id or name of the job
    #[arg(long)]
    job: Option<String>,
    /// Program of some process behind it: a glob, by name or by path (psql, **/bin/psql)
    #[arg(long, value_name = "GLOB")]
    process: Option<String>,
    /// Host name or address: a glob
    #[arg(long, value_name = "GLOB")]
    host: Option<String>,
    /// The strictest thing that happened
    #[arg(long)]
    verdict: Option<VerdictWord>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerdictWord {
    Allow,
    Approve,
    Deny,
}

impl VerdictWord {
    const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

impl Filter {
    pub(crate) fn asked(&self) -> SessionFilter {
        SessionFilter {
            job: self.job.clone(),
            process: self.process.clone(),
            host: self.host.clone(),
            verdict: self.verdict.map(|verdict| verdict.word().to_owned()),
            ..SessionFilter::default()
        }
    }
}

impl ListSessions {
    pub(crate) fn asked(&self) -> SessionFilter {
        SessionFilter {
            since: self.since,
            until: self.until,
            limit: self.limit,
            ..self.filter.asked()
        }
    }
}

/// A time (RFC 3339, or a date and time of day in UTC), or a span before now.
fn moment(text: &str) -> Result<Timestamp, String> {
    moment_before(text, Timestamp::now())
}

pub(super) fn moment_before(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let in_utc = text.trim_end_matches('Z').parse::<jiff::civil::DateTime>();
    if let Ok(Ok(time)) = in_utc.map(|time| time.to_zoned(jiff::tz::TimeZone::UTC)) {
        return Ok(time.timestamp());
    }
    let span: jiff::Span = text.parse().map_err(
        |_| "expected a time (2026-11-20T13:05:00Z, 2026-11-20) or how long ago (10m, 2h, 3d)",
    )?;
    let ago = span.to_duration(SpanRelativeTo::days_are_24_hours());
    ago.and_then(|ago| now.checked_sub(ago))
        .map_err(|error| error.to_string())
}
