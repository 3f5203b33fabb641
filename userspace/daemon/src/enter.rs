//! The last step before a job's command: into the cgroup, down to the user, execute.
//!
//! It runs as a process of its own (`sluice enter`, hidden), so that the job's root is
//! in its cgroup before a single instruction of the job runs, and nothing of the daemon
//! is inherited.

use std::ffi::{CString, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use nix::sys::signal::SigSet;
use nix::unistd::{User, initgroups, setgid, setuid};

/// What `sluice` exits with when it could not start a job; then nothing of the job ran.
pub const NOT_STARTED: i32 = 125;

/// Replaces this process by `command` in `cgroup`, as `user` where one is given.
///
/// # Errors
/// Always, if it returns: it says what could not be done.
pub fn enter(
    cgroup: &Path,
    user: Option<&str>,
    command: &[OsString],
) -> anyhow::Result<std::convert::Infallible> {
    let procs = cgroup.join("cgroup.procs");
    std::fs::write(&procs, "0")
        .with_context(|| format!("cannot enter the job's cgroup {}", cgroup.display()))?;
    if let Some(name) = user {
        become_user(name)?;
    }
    let Some((program, arguments)) = command.split_first() else {
        bail!("no command given; usage: sluice run [OPTIONS] -- COMMAND [ARGUMENTS]");
    };
    // The parent blocks signals to wait for them; a job starts with none blocked.
    SigSet::empty()
        .thread_set_mask()
        .context("cannot unblock signals")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot execute {}", program.to_string_lossy()))
}

fn become_user(name: &str) -> anyhow::Result<()> {
    let user = find_user(name)?;
    let c_name = CString::new(user.name.as_str()).context("a user name with a NUL")?;
    initgroups(&c_name, user.gid).with_context(|| format!("cannot take the groups of {name}"))?;
    setgid(user.gid).with_context(|| format!("cannot become group {}", user.gid))?;
    setuid(user.uid).with_context(|| format!("cannot become user {name}"))?;
    Ok(())
}

/// The user called `name`, or whose id it is.
///
/// # Errors
/// When there is none.
pub(crate) fn find_user(name: &str) -> anyhow::Result<User> {
    let by_id = name.parse::<u32>().ok().map(nix::unistd::Uid::from_raw);
    let found = match by_id {
        Some(uid) => User::from_uid(uid),
        None => User::from_name(name),
    };
    let found = found.with_context(|| format!("cannot look up user {name}"))?;
    found.with_context(|| format!("there is no user {name} on this host"))
}
