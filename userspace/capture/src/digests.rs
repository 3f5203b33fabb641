//! What is in the files that program images were made of.
//!
//! A digest is told only where what was hashed is for certain what ran. The exec event has device,
//! inode and time of the last change (ctime) of the file that the kernel made the image of. Nobody
//! can set that time, so a file that has all three still has the content that it had at the exec:
//! as long as its change was over by then, a clock's tick before, because a change in the same tick
//! would leave the same time. That the kernel refuses to write to a program that runs is not relied
//! on: overlayfs, some kernels and `prctl` know ways round it.
//!
//! Files are a job's. One is opened only after it was found to be the one that ran, and looked at
//! before that without asking its file system, which may be a process that never answers (FUSE).

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getres, clock_gettime};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use sluice_flow::ports::Digests;
use sluice_flow::session::hex;
use sluice_flow::{ImageFile, NoDigest, ProcessId};

use crate::found;
use crate::members::key;

/// Digests that are remembered; one more, and those before it are forgotten.
pub const MAX_DIGESTS: usize = 4_096;
/// Bytes of the largest file that is hashed.
pub const MAX_IMAGE_BYTES: u64 = 1 << 30;
/// Bytes that are hashed between two looks at the clock.
const CHUNK: usize = 128 * 1024;

/// Kinds of file systems whose files nobody but this host's kernel changes, by their magic number.
/// Not FUSE and the network's, of which others say what is in a file and when it changed; not
/// btrfs, of which stat(2) shows another device than the kernel has.
const FILE_SYSTEMS: [u32; 6] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x0102_1994, // tmpfs, memfd
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0x794c_7630, // overlayfs, of what its layers are on
];

/// What names the content of a file: device, inode, time of the last change.
type Content = ((u32, u32), u64, (i64, u32));

/// Hashes the files of images, and remembers what it hashed.
#[derive(Debug, Default)]
pub struct ImageDigests {
    known: Mutex<HashMap<Content, String>>,
}

impl Digests for ImageDigests {
    fn known(&self, image: &ImageFile) -> Option<String> {
        names_what_ran(image, wall_clock(image.executed), tick()).ok()?;
        self.remembered(image)
    }

    fn digest(
        &self,
        process: ProcessId,
        image: &ImageFile,
        until: Instant,
    ) -> Result<String, NoDigest> {
        names_what_ran(image, wall_clock(image.executed), tick())?;
        if let Some(digest) = self.remembered(image) {
            return Ok(digest);
        }
        let (mut file, before) = open(process, image)?;
        let digest = hash(&mut file, until)?;
        if status(&file)? != before {
            return Err(NoDigest::Changed);
        }
        self.remember(image, &digest);
        Ok(digest)
    }
}

impl ImageDigests {
    fn remembered(&self, image: &ImageFile) -> Option<String> {
        self.known.lock().get(&content(image)).cloned()
    }

    fn remember(&self, image: &ImageFile, digest: &str) {
        let mut known = self.known.lock();
        if known.len() >= MAX_DIGESTS {
            known.clear();
        }
        known.insert(content(image), digest.to_owned());
    }
}

fn content(image: &ImageFile) -> Content {
    (image.device, image.inode, image.changed)
}

/// Whether a file with these numbers and this time can only be what ran at `executed`.
fn names_what_ran(image: &ImageFile, executed: i128, tick: u32) -> Result<(), NoDigest> {
    if image.of_user_namespace {
        return Err(NoDigest::UserNamespace);
    }
    if !FILE_SYSTEMS.contains(&image.file_system) {
        return Err(NoDigest::FileSystem);
    }
    let (seconds, nanos) = image.changed;
    let changed = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let over = changed + i128::from(tick.max(image.granularity));
    if over > executed {
        return Err(NoDigest::JustChanged);
    }
    Ok(())
}

/// The file that the process runs, if it is the one of the image, and its status.
fn open(process: ProcessId, image: &ImageFile) -> Result<(File, Status), NoDigest> {
    let place = |path: String, flags| {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags).open(path)
    };
    let exe = format!("/proc/{}/exe", process.tgid);
    let held = place(exe, libc::O_PATH).map_err(|_| NoDigest::Ended)?;
    // Looked at afterwards: who lives now with this start was the one whose file was taken.
    if !found::lives(&key(process)) {
        return Err(NoDigest::Ended);
    }
    let now = status(&held)?;
    now.is_of(image)?;
    // Non-blocking: a lease of somebody else is not waited for.
    let again = format!("/proc/self/fd/{}", held.as_raw_fd());
    let file = place(again, libc::O_NONBLOCK).map_err(|_| NoDigest::Unreadable)?;
    Ok((file, now))
}

fn hash(file: &mut File, until: Instant) -> Result<String, NoDigest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        if Instant::now() >= until {
            return Err(NoDigest::Late);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(n) => hasher.update(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(NoDigest::Unreadable),
        }
    }
}

/// What tells one content from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Status {
    device: (u32, u32),
    inode: u64,
    changed: (i64, u32),
    size: u64,
}

impl Status {
    fn is_of(&self, image: &ImageFile) -> Result<(), NoDigest> {
        if (self.device, self.inode) != (image.device, image.inode) {
            return Err(NoDigest::AnotherFile);
        }
        if self.changed != image.changed {
            return Err(NoDigest::Changed);
        }
        if self.size > MAX_IMAGE_BYTES {
            return Err(NoDigest::TooLarge);
        }
        Ok(())
    }
}

/// As the kernel has it at hand: a file system that is a process is not asked.
fn status(file: &File) -> Result<Status, NoDigest> {
    let mut status = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let wanted = libc::STATX_BASIC_STATS;
    // SAFETY: a descriptor of ours, an empty path that ends, and room for what is written.
    let failed = unsafe {
        libc::statx(
            file.as_raw_fd(),
            c"".as_ptr(),
            flags,
            wanted,
            status.as_mut_ptr(),
        )
    };
    if failed != 0 {
        return Err(NoDigest::Unreadable);
    }
    // SAFETY: integers, zeroed before and written since.
    let status = unsafe { status.assume_init() };
    Ok(Status {
        device: (status.stx_dev_major, status.stx_dev_minor),
        inode: status.stx_ino,
        changed: (status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec),
        size: status.stx_size,
    })
}

/// The wall-clock time, nanoseconds since the epoch, of a moment in nanoseconds since boot. A clock
/// that cannot be read counts as one at which nothing had happened yet.
fn wall_clock(since_boot: u64) -> i128 {
    let now = |clock| {
        let now = clock_gettime(clock).ok()?;
        i128::try_from(Duration::from(now).as_nanos()).ok()
    };
    match (now(ClockId::CLOCK_REALTIME), now(ClockId::CLOCK_BOOTTIME)) {
        (Some(wall), Some(boot)) => wall - boot + i128::from(since_boot),
        (None, _) | (_, None) => 0,
    }
}

/// Nanoseconds between two times that the kernel stamps files with; a second where it does not say.
fn tick() -> u32 {
    let tick = clock_getres(ClockId::CLOCK_REALTIME_COARSE).map(Duration::from);
    tick.map_or(1_000_000_000, |tick| tick.subsec_nanos().max(1))
}

#[cfg(test)]
#[path = "digests_tests.rs"]
mod tests;
