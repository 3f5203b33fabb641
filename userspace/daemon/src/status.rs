//! The state of the gate, hook by hook.

use std::sync::atomic::Ordering;

use sluice_flow::ports::{Enforcement, Status};

use crate::config::OnDaemonDown;
use crate::control::Gatehouse;
use crate::host::{NOT_ENFORCED, lacking};
use crate::policies::named;

impl Gatehouse {
    /// All of it, with a fresh probe.
    pub(crate) fn told_status(&self) -> Status {
        let parts = &self.parts;
        let jobs = parts.jobs.running.all().into_iter();
        let set = parts.jobs.policy_set(Vec::new());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            open: parts.heart.is_open(),
            enforcement: self.enforcement(),
            jobs: jobs.map(|(_, running)| running.job.clone()).collect(),
            policies: set.map(|set| named(&set)).unwrap_or_default(),
            flows: parts.proxy.flows.load(Ordering::Relaxed) as u64,
            counters: self.counters(),
        }
    }

    fn counters(&self) -> Vec<(String, u64)> {
        let parts = &self.parts;
        let of_kernel = parts.capture.stats().into_iter();
        let mut counters: Vec<(String, u64)> =
            of_kernel.map(|(name, n)| (name.to_owned(), n)).collect();
        let left_out = parts.kernel.refusals_left_out.load(Ordering::Relaxed);
        let questions = parts.proxy.refusals.left_out.load(Ordering::Relaxed);
        let left_out = left_out.saturating_add(questions);
        let over = parts.proxy.over_limit.load(Ordering::Relaxed);
        counters.push(("lineage_events_lost".to_owned(), parts.kernel.lost()));
        counters.push(("refusals_not_recorded_one_by_one".to_owned(), left_out));
        counters.push(("flows_over_limit".to_owned(), over));
        counters
    }

    fn enforcement(&self) -> Vec<Enforcement> {
        let mut lines = self.hooks();
        lines.extend(self.parts.heart.try_all());
        lines.push(Enforcement {
            what: "refusal while the daemon is away".to_owned(),
            enforced: self.config.on_daemon_down == OnDaemonDown::Deny,
            detail: match self.config.on_daemon_down {
                OnDaemonDown::Deny => "links are pinned, the default is deny".to_owned(),
                OnDaemonDown::Allow => {
                    "on_daemon_down = \"allow\": connections go out unseen".to_owned()
                }
            },
        });
        self.parts.jobs.look_at_runners();
        lines.extend(self.parts.jobs.runners_told());
        lines.extend(self.parts.jobs.told(&self.parts.restored));
        lines.extend(NOT_ENFORCED.map(|(what, detail)| Enforcement {
            what: what.to_owned(),
            enforced: false,
            detail: detail.to_owned(),
        }));
        lines
    }

    fn hooks(&self) -> Vec<Enforcement> {
        let line = |hook: sluice_capture::Hook| Enforcement {
            what: format!("hook {}", hook.name),
            enforced: hook.attached,
            detail: match (hook.known, hook.attached) {
                (_, true) => format!("attached, program {} link {}", hook.program, hook.link),
                (true, false) => {
                    "not attached: somebody detached it; restart the daemon".to_owned()
                }
                (false, false) => lacking(hook.name),
            },
        };
        self.parts.capture.hooks().into_iter().map(line).collect()
    }
}
