//! What the lineage costs a job that starts many programs.

use crate::agent::Agent;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, DIRECT, Goal, SLUICE};
use crate::machine;
use crate::policy::hundred_rules;
use crate::proc::Watched;
use crate::stage::{CPU_EACH, client, read_client};
use crate::stats::turn;

const EACH: Metric = Metric::new("fork+exec+wait", "us");
const CASE: &str = "programs started";
/// Beside a job, but not in one: what the rest of the host pays.
const BESIDE: &str = "beside a job";

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let goal = Goal::new(CASE, EACH.name, Against::Ratio(DIRECT), Bound::AtMost(1.03));
    let mut findings = Findings::new("spawn", vec![goal]);
    let policy = hundred_rules(&[], &[]);
    let command = client(&["spawn", &effort.spawns.to_string()])?;
    let mut outside = Agent::outside()?;
    for round in 0..effort.rounds {
        machine::go_on()?;
        // With no job, nothing is loaded: that is what direct means here.
        for place in turn(round, 2) {
            if place == 0 {
                once(
                    &mut findings,
                    DIRECT,
                    &mut outside,
                    Watched::Nobody,
                    &command,
                )?;
                continue;
            }
            let mut job = Agent::job(&policy)?;
            let daemon = Watched::Process(job.pid());
            once(&mut findings, SLUICE, &mut job, daemon, &command)?;
            once(&mut findings, BESIDE, &mut outside, daemon, &command)?;
        }
    }
    Ok(findings)
}

fn once(
    findings: &mut Findings,
    path: &'static str,
    agent: &mut Agent,
    daemon: Watched,
    command: &[String],
) -> anyhow::Result<()> {
    let before = daemon.cpu_seconds()?;
    let sample = read_client(&agent.run(command)?, &[("each", EACH)])?;
    let cpu = daemon.cpu_seconds()? - before;
    for (metric, value) in sample.values {
        findings.add(CASE, metric, path, value);
    }
    if !matches!(daemon, Watched::Nobody) {
        findings.add(CASE, CPU_EACH, path, cpu / sample.work * 1e6);
    }
    Ok(())
}
