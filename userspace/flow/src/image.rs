//! The file that a program image was made of, and what is known of what is in it.

use serde::{Deserialize, Serialize};

/// The file of a program image as the kernel had it when the image started: for a script that of
/// its interpreter, which is what `/proc/PID/exe` shows. A fork keeps its parent's.
///
/// Who finds this device, this inode and this time of its last change again has what ran, if that
/// change was over when it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageFile {
    /// Major and minor number of the file system's device.
    pub device: (u32, u32),
    /// Inode number.
    pub inode: u64,
    /// When it was last changed (ctime), as of the exec: seconds since the epoch, and nanoseconds.
    pub changed: (i64, u32),
    /// When the image started, nanoseconds since boot; of a fork when its parent's did.
    pub executed: u64,
    /// To how many nanoseconds the file system tells times.
    pub granularity: u32,
    /// Magic number of the file system (`statfs(2)`).
    pub file_system: u32,
    /// The file system was mounted in a user namespace that is not the host's.
    pub of_user_namespace: bool,
}

/// Why it cannot be told what is in the file of a program image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoDigest {
    /// The exec was not seen.
    #[error("it ran before sluice did")]
    NotSeen,
    /// Who mounts there needs no privilege, and may serve what they like.
    #[error("its file is on a file system that was mounted in a user namespace")]
    UserNamespace,
    /// Others than the host's kernel may change files of it, or its devices go by two numbers.
    #[error("its file is on a kind of file system on which it cannot be told what ran")]
    FileSystem,
    /// A change right after the exec would have the same time.
    #[error("its file was changed right before it ran (within a tick of the clock)")]
    JustChanged,
    /// The file is not what it was.
    #[error("its file was changed, renamed or deleted after it ran")]
    Changed,
    /// Nobody is left who holds the file.
    #[error("its process had ended when it was asked for")]
    Ended,
    /// The process went on to another image, or the file system shows other numbers of the file.
    #[error("its process ran another file when it was asked for")]
    AnotherFile,
    /// Over the limit.
    #[error("its file is larger than what is hashed")]
    TooLarge,
    /// The file system said no.
    #[error("its file could not be read")]
    Unreadable,
    /// The flow waits no longer.
    #[error("its file was not hashed in time")]
    Late,
}
