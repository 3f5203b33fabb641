//! What is left of a job, wherever it moved: processes that carry its tag.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use sluice_abi::{ProcessKey, ProcessTag};
use sluice_flow::kernel::JobTag;

use crate::capture::Capture;
use crate::error::CaptureError;
use crate::found;
use crate::plain::Plain;

/// How often, and how long apart, a job is looked for after it was killed: the kernel ends
/// processes when it gets to them, and one may have forked in between.
const KILL_TRIES: u32 = 400;
const KILL_PAUSE: Duration = Duration::from_millis(5);

impl Capture {
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
        let processes = self.processes.lock();
        let mut members = Vec::new();
        for entry in processes.iter() {
            let (Plain(key), Plain(tag)): (Plain<ProcessKey>, Plain<ProcessTag>) =
                entry.map_err(CaptureError::map("PROCESSES"))?;
            if tag.job == job.0 && found::lives(&key) {
                members.push(key);
            }
        }
        Ok(members)
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
