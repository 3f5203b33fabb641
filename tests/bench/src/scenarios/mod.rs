//! What is measured.

mod bulk;
mod connect;
mod http;
mod load;
mod masking;
mod memory;
mod pgbench;
mod programs;
mod spawn;
mod verdict;

use crate::effort::Effort;
use crate::findings::Findings;

/// A scenario: its name, and what runs it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Effort) -> anyhow::Result<Findings>,
}

/// All scenarios, in the order of performance.md.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "bulk",
        run: bulk::run,
    },
    Scenario {
        name: "connect",
        run: connect::run,
    },
    Scenario {
        name: "http",
        run: http::run,
    },
    Scenario {
        name: "pgbench",
        run: pgbench::run,
    },
    Scenario {
        name: "masking",
        run: masking::run,
    },
    Scenario {
        name: "spawn",
        run: spawn::run,
    },
    Scenario {
        name: "memory",
        run: memory::run,
    },
    Scenario {
        name: "verdict",
        run: verdict::run,
    },
];

/// What no scenario measures yet, and why.
pub(crate) const GAPS: &[&str] = &[
    "HTTPS, opened and passed on: this issue's sluice does not open TLS",
    "squid, envoy, mitmproxy and pingora: Debian 12 has the first only, and it is no peer of these scenarios",
    "fork+exec in a real build: it needs sources that a fresh machine does not have",
    "whether costs double with rules and sessions: only flows (memory) and a thousand rules (verdict) are scaled",
    "the programs in the kernel: their CPU is charged to the job, and shows in the ratios only",
];
