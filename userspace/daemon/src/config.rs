//! `sluice.toml`: checked whole before anything starts. An unknown key is an error.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use sluice_flow::Labels;

/// The daemon's configuration. Everything has a default, so that an empty file is one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which processes are jobs: the cgroups and systemd units of CI agents.
    pub runner: Vec<Runner>,
    /// Where policies are.
    pub policy: Policies,
    /// How names are resolved.
    pub resolver: Resolver,
    /// Groups of people beside those of the group database: name to user names.
    pub groups: BTreeMap<String, Vec<String>>,
    /// The local API.
    pub api: Api,
    /// Threads that serve flows; 0: one a core.
    pub threads: usize,
    /// What the kernel does with connections of jobs while the daemon is away.
    pub on_daemon_down: OnDaemonDown,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            runner: Vec::new(),
            policy: Policies::default(),
            resolver: Resolver::default(),
            groups: BTreeMap::new(),
            api: Api::default(),
            threads: 0,
            on_daemon_down: OnDaemonDown::Deny,
        }
    }
}

/// A CI agent whose processes, and all below them, are members.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    /// The name that its jobs carry.
    pub name: String,
    /// Its systemd unit, `actions-runner.service`.
    pub unit: Option<String>,
    /// Its cgroup (v2), from the root of the hierarchy: `/ci.slice/agent`.
    pub cgroup: Option<PathBuf>,
    /// Labels that policies are chosen by.
    #[serde(default)]
    pub labels: Labels,
}

impl Runner {
    /// Where its processes are, as the file says it: `unit actions-runner.service`.
    pub(crate) fn place(&self) -> String {
        match (&self.unit, &self.cgroup) {
            (Some(unit), _) => format!("unit {unit}"),
            (None, Some(cgroup)) => format!("cgroup {}", cgroup.display()),
            (None, None) => "no place".to_owned(),
        }
    }
}

/// Where policies are: `host/*.yaml`, `organisation/*.yaml`, `repository/*.yaml` below it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// The directory; it may be missing, then no policy applies to any job.
    pub directory: PathBuf,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/etc/sluice/policies"),
        }
    }
}

/// How names are resolved for jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resolver {
    /// Servers to ask, `ADDRESS:PORT`; empty: those of /etc/resolv.conf.
    pub upstream: Vec<SocketAddr>,
    /// Names that the host's owner gives to addresses, beside /etc/hosts.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
}

/// The local API on a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Members of this group may do what root may: read all sessions, start jobs, reload.
    pub admin_group: Option<String>,
}

/// What the kernel does with connections of jobs while the daemon is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDaemonDown {
    /// It refuses them.
    Deny,
    /// It lets them out, unseen. An explicit choice; `sluice status` says it loudly.
    Allow,
}

impl Config {
    /// Reads `file`; `None`: `/etc/sluice/sluice.toml` where there is one, else the defaults.
    ///
    /// # Errors
    /// Names the file, the line and the key.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let path = match file {
            Some(path) => path,
            None => {
                let usual = Path::new("/etc/sluice/sluice.toml");
                if !usual.exists() {
                    return Ok(Self::default());
                }
                usual
            }
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Parses and checks.
    ///
    /// # Errors
    /// Names the line and the key.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        let mut places = BTreeMap::new();
        for runner in &config.runner {
            if runner.unit.is_some() == runner.cgroup.is_some() {
                bail!("runner `{}`: give either `unit` or `cgroup`", runner.name);
            }
            if let Some(other) = places.insert(runner.place(), &runner.name) {
                let (place, name) = (runner.place(), &runner.name);
                bail!("runners `{other}` and `{name}` are both {place}: keep one of them");
            }
        }
        if config.threads > MAX_THREADS {
            bail!("threads = {}: at most {MAX_THREADS}", config.threads);
        }
        Ok(config)
    }

    /// Threads that serve flows.
    #[must_use]
    pub fn serving_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MAX_THREADS),
            threads => threads,
        }
    }
}

/// The most threads that serve flows.
pub(crate) const MAX_THREADS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
        assert_eq!(Config::default().on_daemon_down, OnDaemonDown::Deny);
    }

    #[test]
    fn everything_can_be_said() {
        let text = r#"
            threads = 2
            on_daemon_down = "deny"
            [[runner]]
            name = "github"
            unit = "actions-runner.service"
            labels = { repository = "acme/payments" }
            [policy]
            directory = "/srv/policies"
            [resolver]
            upstream = ["192.0.2.53:53"]
            [resolver.hosts]
            "db.example.com" = ["192.0.2.1", "2001:db8::1"]
            [groups]
            dba = ["ada"]
            [api]
            admin_group = "adm"
        "#;
        let config = Config::parse(text).unwrap();
        assert_eq!(
            config.runner.first().map(|r| r.name.as_str()),
            Some("github")
        );
        assert_eq!(config.groups.get("dba"), Some(&vec!["ada".to_owned()]));
        assert_eq!(
            config.resolver.hosts.get("db.example.com").map(Vec::len),
            Some(2)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("thread = 1", "thread"),
            ("threads = 257", "256"),
            ("threads = \"many\"", "threads"),
            ("on_daemon_down = \"maybe\"", "maybe"),
            ("[[runner]]\nname = \"a\"", "either `unit` or `cgroup`"),
            (
                "[[runner]]\nname = \"a\"\nunit = \"u\"\ncgroup = \"/c\"",
                "either",
            ),
            (
                "[[runner]]\nname = \"a\"\nunit = \"u\"\n[[runner]]\nname = \"b\"\nunit = \"u\"",
                "`a` and `b` are both unit u",
            ),
            ("[resolver]\nupstream = [\"dns.example.com\"]", "upstream"),
        ] {
            let error = format!("{:#}", Config::parse(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
        assert_eq!(Config::parse("threads = 256").unwrap().threads, MAX_THREADS);
    }
}
