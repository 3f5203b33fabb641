//! Paths side by side: the same load through each, taking turns.

use std::net::SocketAddr;

use serde_json::Value;

use crate::agent::Agent;
use crate::findings::{Findings, Metric};
use crate::goal::{DIRECT, SLUICE};
use crate::machine;
use crate::peers::Peer;
use crate::proc::Watched;
use crate::stats::turn;

/// CPU of the process between, for bytes.
pub(crate) const CPU_A_GB: Metric = Metric::new("proxy CPU", "s/GB");
/// CPU of the process between, for requests, connections and transactions.
pub(crate) const CPU_EACH: Metric = Metric::new("proxy CPU", "us each");

/// A way to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// What the client connects to.
    pub(crate) address: SocketAddr,
    /// Whether the client is the job.
    pub(crate) inside: bool,
    /// Who is between.
    pub(crate) watched: Watched,
}

impl Path {
    pub(crate) const fn direct(address: SocketAddr) -> Self {
        Self {
            name: DIRECT,
            address,
            inside: false,
            watched: Watched::Nobody,
        }
    }

    pub(crate) fn peer(peer: &Peer) -> Self {
        Self {
            name: peer.name,
            address: peer.address,
            inside: false,
            watched: peer.watched(),
        }
    }
}

/// What one run of a load gave.
pub(crate) struct Sample {
    pub(crate) values: Vec<(Metric, f64)>,
    /// GB or requests, by which CPU is divided.
    pub(crate) work: f64,
}

/// A load, and how to read what it printed.
pub(crate) struct Load<'a> {
    pub(crate) case: &'static str,
    pub(crate) command: &'a dyn Fn(&Path) -> anyhow::Result<Vec<String>>,
    pub(crate) read: &'a dyn Fn(&str) -> anyhow::Result<Sample>,
    pub(crate) cpu: Metric,
}

/// Where loads run, and the paths that they take.
pub(crate) struct Stage {
    outside: Agent,
    job: Agent,
    paths: Vec<Path>,
}

impl Stage {
    /// Starts a job under `policy`; the path through it comes last.
    pub(crate) fn new(server: SocketAddr, peers: &[Peer], policy: &str) -> anyhow::Result<Self> {
        let (outside, job) = (Agent::outside()?, Agent::job(policy)?);
        let mut paths = vec![Path::direct(server)];
        paths.extend(peers.iter().map(Path::peer));
        let mut stage = Self {
            outside,
            job,
            paths,
        };
        stage.through_sluice(SLUICE, server);
        Ok(stage)
    }

    /// Adds a path through the job to a server of its own.
    pub(crate) fn through_sluice(&mut self, name: &'static str, server: SocketAddr) {
        self.paths.push(Path {
            name,
            address: server,
            inside: true,
            watched: Watched::Process(self.job.pid()),
        });
    }

    /// Runs a command as the job does.
    pub(crate) fn in_job(&mut self, command: &[String]) -> anyhow::Result<String> {
        self.job.run(command)
    }

    /// Runs the load `rounds` times through every path. A path that fails is noted, and left
    /// out from then on.
    ///
    /// # Errors
    /// When direct fails: then there is nothing to compare with.
    pub(crate) fn rounds(
        &mut self,
        findings: &mut Findings,
        rounds: usize,
        load: &Load<'_>,
    ) -> anyhow::Result<()> {
        for round in 0..rounds {
            for place in turn(round, self.paths.len()) {
                machine::go_on()?;
                let Some(path) = self.paths.get(place).copied() else {
                    continue;
                };
                if findings.gave_up(load.case, path.name) {
                    continue;
                }
                match self.once(&path, load) {
                    Ok(values) => {
                        for (metric, value) in values {
                            findings.add(load.case, metric, path.name, value);
                        }
                    }
                    Err(error) if path.name == DIRECT => {
                        return Err(error.context(format!("{}, direct", load.case)));
                    }
                    Err(error) => findings.fail(load.case, path.name, &error),
                }
            }
        }
        Ok(())
    }

    fn once(&mut self, path: &Path, load: &Load<'_>) -> anyhow::Result<Vec<(Metric, f64)>> {
        let agent = if path.inside {
            &mut self.job
        } else {
            &mut self.outside
        };
        let command = (load.command)(path)?;
        let before = path.watched.cpu_seconds()?;
        let out = agent.run(&command)?;
        let cpu = path.watched.cpu_seconds()? - before;
        let Sample { mut values, work } = (load.read)(&out)?;
        if !matches!(path.watched, Watched::Nobody) && work > 0.0 {
            let scale = if load.cpu == CPU_A_GB { 1.0 } else { 1e6 };
            values.push((load.cpu, cpu / work * scale));
        }
        Ok(values)
    }
}

/// The command of one of the bench's own clients.
pub(crate) fn client(words: &[&str]) -> anyhow::Result<Vec<String>> {
    let own = std::env::current_exe()?.display().to_string();
    let words = words.iter().map(|&word| word.to_owned());
    Ok([own, "client".to_owned()]
        .into_iter()
        .chain(words)
        .collect())
}

/// Reads the line of one of the bench's own clients: the metrics by their keys.
pub(crate) fn read_client(out: &str, keys: &[(&str, Metric)]) -> anyhow::Result<Sample> {
    let report: Value = serde_json::from_str(out.trim())?;
    let number = |key: &str| {
        let value = report.get(key).and_then(Value::as_f64);
        anyhow::Context::with_context(value, || format!("no {key} in {out}"))
    };
    let values = keys.iter().map(|(key, metric)| Ok((*metric, number(key)?)));
    Ok(Sample {
        values: values.collect::<anyhow::Result<_>>()?,
        work: number("work")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Metric = Metric::new("rate", "GB/s");

    #[test]
    fn a_client_is_read_by_its_keys() {
        let sample = read_client("{\"rate\":2.5,\"work\":4}\n", &[("rate", RATE)]).unwrap();
        assert_eq!(sample.values, [(RATE, 2.5)]);
        assert_eq!(sample.work, 4.0);
    }

    #[test]
    fn what_a_client_left_out_is_an_error() {
        for out in [
            "",
            "{}",
            "{\"rate\":1}",
            "{\"work\":1}",
            "{\"rate\":null,\"work\":1}",
        ] {
            assert!(read_client(out, &[("rate", RATE)]).is_err(), "{out}");
        }
    }
}
