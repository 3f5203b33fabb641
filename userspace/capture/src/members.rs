//! What is left of a job, wherever it moved: processes that carry its tag.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use sluice_abi::{ProcessKey, ProcessTag};
use sluice_flow::kernel::{Actor, JobTag, Started};
use sluice_flow::{ArgvState, ProcessId};

use crate::capture::Capture;
use crate::error::CaptureError;
use crate::event::process;
use crate::found;
use crate::plain::Plain;

/// How often, and how long apart, a job is looked for after it was killed: the kernel ends
/// processes when it gets to them, and one may have forked in between.
const KILL_TRIES: u32 = 400;
const KILL_PAUSE: Duration = Duration::from_millis(5);

/// The process that has this pid at present; `None` where there is none. Its start is told to
/// the clock tick, which is as exact as `/proc` is.
#[must_use]
pub fn process_of(pid: u32) -> Option<ProcessId> {
    found::process(pid)
}

/// Whether that very process lives, whoever may have its pid now.
#[must_use]
pub fn lives(process: ProcessId) -> bool {
    found::lives(&key(process))
}

impl Capture {
    /// Every process that carries a tag, with the image that it runs, the probe's left out.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn all_members(&self) -> Result<Vec<Actor>, CaptureError> {
        let tags = self.tags()?;
        let jobs = tags.iter().filter(|(_, tag)| tag.job != JobTag::PROBE.0);
        let actor = |(key, tag): &(ProcessKey, ProcessTag)| Actor {
            process: process(key),
            ordinal: tag.ordinal,
            job: JobTag(tag.job),
        };
        Ok(jobs.map(actor).collect())
    }

    /// What `/proc` says of the image that a member runs: for one whose start nobody saw. `None`
    /// where it is gone, or runs another image by now, of which the kernel side tells.
    #[must_use]
    pub fn found(&self, actor: &Actor, at: u64) -> Option<Started> {
        let key = key(actor.process);
        let image = found::image(&key)?;
        let Plain(tag) = self.processes.lock().get(&Plain(key), 0).ok()?;
        (tag.ordinal == actor.ordinal).then_some(Started {
            actor: *actor,
            exe: image.exe,
            argv: image.argv,
            argv_state: ArgvState::Whole,
            cwd: image.cwd,
            uid: image.uid,
            cgroup: image.cgroup,
            root: false,
            found: true,
            image: None,
            at,
        })
    }

    /// Whether a process of this job lives, in its cgroup or elsewhere.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn has_members(&self, job: JobTag) -> Result<bool, CaptureError> {
        Ok(!self.members(job)?.is_empty())
    }

    /// Kills every process of this job, also those that left its cgroup, and waits until they
    /// are gone. Gives whether they are: within two seconds.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn kill_members(&self, job: JobTag) -> Result<bool, CaptureError> {
        for _ in 0..KILL_TRIES {
            let members = self.members(job)?;
            if members.is_empty() {
                return Ok(true);
            }
            members.iter().for_each(kill);
            std::thread::sleep(KILL_PAUSE);
        }
        Ok(false)
    }

    fn members(&self, job: JobTag) -> Result<Vec<ProcessKey>, CaptureError> {
        let tags = self.tags()?;
        let of_job = tags.iter().filter(|(_, tag)| tag.job == job.0);
        let keys = of_job.map(|(key, _)| *key);
        Ok(keys.filter(found::lives).collect())
    }

    fn tags(&self) -> Result<Vec<(ProcessKey, ProcessTag)>, CaptureError> {
        let processes = self.processes.lock();
        let tags = processes
            .iter()
            .map(|entry| entry.map(|(Plain(key), Plain(tag))| (key, tag)));
        let tags: Result<_, _> = tags.collect();
        tags.map_err(CaptureError::map("PROCESSES"))
    }
}

pub(crate) fn key(process: ProcessId) -> ProcessKey {
    ProcessKey {
        started: process.started,
        tgid: process.tgid,
        pad: 0,
    }
}

/// Through a descriptor of the process, so that its pid cannot become another's in between.
fn kill(key: &ProcessKey) {
    // SAFETY: a system call that takes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, key.tgid, 0) };
    let Ok(fd @ 0..) = i32::try_from(fd) else {
        return; // it is gone
    };
    // SAFETY: the kernel gave it to us just now.
    let process = unsafe { OwnedFd::from_raw_fd(fd) };
    if found::lives(key) {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a descriptor of ours, and no further information on the signal.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, none, 0) };
    }
    drop(process);
}
