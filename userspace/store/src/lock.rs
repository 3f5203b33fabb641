//! One writer a log.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use crate::disk::private;
use crate::error::{Result, StoreError};

/// Held for as long as the log may be written (`flock`, so the kernel lets go of it when the
/// process ends, however it ends).
#[derive(Debug)]
pub(crate) struct WriterLock {
    file: File,
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // A child that another thread is just starting has the descriptor until its exec, and
        // closing ours would leave the log locked until then. The end of us lets go anyway.
        let _ = self.file.unlock();
    }
}

impl WriterLock {
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let file = private()
            .create(true)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse {
                    dir: dir.to_owned(),
                    pid: pid_in(&file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
        }
        // Only for the error that the next one sees; a full disk does not matter here.
        let _ = file.set_len(0);
        let _ = writeln!(&file, "{}", std::process::id());
        Ok(Self { file })
    }
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
