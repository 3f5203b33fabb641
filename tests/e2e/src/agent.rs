//! A CI agent: processes in a cgroup that `sluice.toml` names.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::scene::{Lines, lines_of};
use crate::{cgroup_root, wait_until};

/// One whose cgroup is not there yet, or not any more.
pub struct Agent {
    /// From the root of the hierarchy, with no slash before it.
    pub name: String,
}

impl Agent {
    /// An agent in a cgroup of its own below another, of this test alone.
    #[must_use]
    pub fn named(test: &str) -> Self {
        Self {
            name: format!("e2e-{test}-{}/agent", std::process::id()),
        }
    }

    /// Its table for `sluice.toml`.
    #[must_use]
    pub fn config(&self) -> String {
        format!(
            "[[runner]]\nname = \"agent\"\ncgroup = \"/{}\"\n",
            self.name
        )
    }

    /// Makes its cgroup, as systemd does for a unit that starts.
    ///
    /// # Errors
    /// When it is there, or the kernel does not let us.
    pub fn appear(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(self.cgroup())?;
        Ok(())
    }

    /// Kills what is in it and removes it, as systemd does for a unit that stops.
    ///
    /// # Errors
    /// When it does not go away.
    pub fn vanish(&self) -> anyhow::Result<()> {
        let _ = std::fs::write(self.cgroup().join("cgroup.kill"), "1");
        let is_gone = || std::fs::remove_dir(self.cgroup()).is_ok() || !self.cgroup().exists();
        anyhow::ensure!(
            wait_until(Duration::from_secs(5), is_gone),
            "{} stays",
            self.name
        );
        Ok(())
    }

    /// Starts a command in it: who comes in executes it, as where systemd starts a unit.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn start(&self, command: &str) -> anyhow::Result<(Child, Lines)> {
        let procs = self.cgroup().join("cgroup.procs");
        let script = format!("echo 0 > {} && exec {command}", procs.display());
        let mut command = Command::new("sh");
        command
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        lines_of(command.spawn()?)
    }

    fn cgroup(&self) -> PathBuf {
        cgroup_root().join(&self.name)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.vanish();
        if let Some(parent) = self.cgroup().parent() {
            let _ = std::fs::remove_dir(parent);
        }
    }
}
