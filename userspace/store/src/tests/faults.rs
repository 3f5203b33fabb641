//! Disks that fail.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sluice_flow::ports::{Recorder as _, SessionFilter, Sessions as _};
use tempfile::tempdir;

use super::sample::{self, closed, operation, start, whole};
use crate::{Disk, FileSystem, LogFile, Options, Store, verify};

/// A disk that can be told to fail.
#[derive(Default)]
struct Failing {
    full: AtomicBool,
    /// How many bytes of a failed write get there.
    partly: AtomicUsize,
    cut_fails: AtomicBool,
    sync_fails: AtomicBool,
}

struct FailingFile {
    file: Arc<dyn LogFile>,
    disk: Arc<Failing>,
}

impl LogFile for FailingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.disk.full.load(Ordering::Relaxed) {
            let part = bytes.len().min(self.disk.partly.load(Ordering::Relaxed));
            self.file.write_at(&bytes[..part], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        if self.disk.cut_fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("cannot cut"));
        }
        self.file.cut(len)
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.sync_fails.load(Ordering::Relaxed) {
            return Err(io::Error::other("bad sector"));
        }
        self.file.sync()
    }
}

struct Shared(Arc<Failing>);

impl Disk for Shared {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        if self.0.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = FileSystem.create(path)?;
        let disk = Arc::clone(&self.0);
        Ok(Arc::new(FailingFile { file, disk }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        let file = FileSystem.open(path)?;
        let disk = Arc::clone(&self.0);
        Ok(Arc::new(FailingFile { file, disk }))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.sync_dir(dir)
    }
}

fn failing(dir: &Path, segment_bytes: u64) -> (Store, Arc<Failing>) {
    let disk = Arc::new(Failing::default());
    let options = Options {
        segment_bytes,
        disk: Arc::new(Shared(Arc::clone(&disk))),
        ..Options::default()
    };
    (Store::open(dir, options).unwrap(), disk)
}

#[test]
fn a_full_disk_ends_sessions_and_the_log_goes_on_when_there_is_space() {
    for (partly, cut_fails) in [
        (0, false),
        (1, false),
        (100, false),
        (60, true),
        (5000, true),
    ] {
        let dir = tempdir().unwrap();
        let (store, disk) = failing(dir.path(), 64 << 20);
        let mut log = start(&store);
        disk.partly.store(partly, Ordering::Relaxed);
        disk.cut_fails.store(cut_fails, Ordering::Relaxed);
        disk.full.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            let error = log.append(vec![operation("lost")]).unwrap_err().to_string();
            assert!(
                error.contains(".log") && error.contains("sessions end"),
                "{error}"
            );
        }
        disk.cut_fails.store(false, Ordering::Relaxed);
        disk.full.store(false, Ordering::Relaxed);
        assert_eq!(
            log.append(vec![operation("kept")]).unwrap(),
            3,
            "numbers have no gap"
        );
        log.append(vec![closed()]).unwrap();
        let id = log.id();
        drop((log, store));
        let report = verify(dir.path()).unwrap();
        assert!(report.is_whole(), "{report}");
        let store = sample::store(dir.path());
        let seqs: Vec<_> = store
            .events(id)
            .unwrap()
            .iter()
            .map(|event| event.seq)
            .collect();
        assert_eq!(seqs, [0, 1, 2, 3, 4]);
    }
}

#[test]
fn the_error_names_the_file_and_what_to_do() {
    let dir = tempdir().unwrap();
    let (store, disk) = failing(dir.path(), 64 << 20);
    let mut log = start(&store);
    disk.full.store(true, Ordering::Relaxed);
    let error = log.append(vec![operation("lost")]).unwrap_err().to_string();
    for part in [&*dir.path().to_string_lossy(), "write", "free space"] {
        assert!(error.contains(part), "{error} names {part}");
    }
    let failed = store
        .counters()
        .into_iter()
        .find(|(name, _)| name == "log_appends_failed");
    assert_eq!(failed.unwrap().1, 1);
}

#[test]
fn a_full_disk_at_the_end_of_a_segment_is_one_too() {
    let dir = tempdir().unwrap();
    let (store, disk) = failing(dir.path(), 1);
    let mut log = start(&store);
    disk.full.store(true, Ordering::Relaxed);
    let error = log.append(vec![operation("lost")]).unwrap_err().to_string();
    assert!(error.contains("create"), "{error}");
    disk.full.store(false, Ordering::Relaxed);
    log.append(vec![closed()]).unwrap();
    drop((log, store));
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[test]
fn a_session_that_cannot_be_closed_is_aborted_by_the_next_start() {
    let dir = tempdir().unwrap();
    let (store, disk) = failing(dir.path(), 64 << 20);
    let log = start(&store);
    disk.full.store(true, Ordering::Relaxed);
    drop((log, store));
    let store = sample::store(dir.path());
    let found = store.list(&SessionFilter::default()).unwrap();
    assert_eq!(
        found[0].outcome,
        Some(sluice_flow::session::Outcome::Aborted)
    );
    drop(store);
    assert!(verify(dir.path()).unwrap().is_whole());
}

#[tokio::test]
async fn a_failed_sync_is_told_and_nothing_is_added_behind_it() {
    let dir = tempdir().unwrap();
    let (store, disk) = failing(dir.path(), 64 << 20);
    let mut log = start(&store);
    let mut old = start(&store);
    log.synced().await.unwrap();
    old.append(vec![operation("x")]).unwrap();
    disk.sync_fails.store(true, Ordering::Relaxed);
    log.append(vec![operation("x")]).unwrap();
    let error = log.synced().await.unwrap_err().to_string();
    assert!(
        error.contains("sync") && error.contains("bad sector"),
        "{error}"
    );
    let again = log.synced();
    let error = log.append(vec![operation("x")]).unwrap_err().to_string();
    assert!(error.contains("bad sector"), "{error}");
    disk.sync_fails.store(false, Ordering::Relaxed);
    assert!(
        again.await.is_err(),
        "a later sync does not bring back what was lost"
    );
    disk.sync_fails.store(true, Ordering::Relaxed);
    disk.sync_fails.store(false, Ordering::Relaxed);
    log.append(vec![closed()]).unwrap();
    log.synced().await.unwrap();
    assert_eq!(
        store.usage().unwrap().segments,
        2,
        "the suspect segment is left alone"
    );
    drop((log, old, store));
    assert!(verify(dir.path()).unwrap().is_whole());
}

/// A small file system, unmounted at the end.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` for those who may not mount.
    fn mount(size: &str) -> Option<Self> {
        let dir = tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path());
        mount.stderr(std::process::Stdio::null());
        mount.status().ok()?.success().then(|| Self(dir))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[test]
fn a_really_full_disk_is_told_and_got_over() {
    let Some(tmpfs) = Tmpfs::mount("4m") else {
        return;
    };
    let dir = tmpfs.0.path().join("state");
    let store = sample::store(&dir);
    let filler = tmpfs.0.path().join("filler");
    let id = whole(&store);
    let mut log = start(&store);
    // A write that does not fit fills what is left and then fails.
    let _ = std::fs::write(&filler, vec![1; 8 << 20]);
    let text = "x".repeat(100_000);
    let error = (0..100).find_map(|_| log.append(vec![operation(&text)]).err());
    let error = error.unwrap().to_string();
    assert!(error.contains("free space"), "{error}");
    assert_eq!(store.events(id).unwrap().len(), 4);
    std::fs::remove_file(&filler).unwrap();
    log.append(vec![operation("again"), closed()]).unwrap();
    drop((log, store));
    let report = verify(&dir).unwrap();
    assert!(report.is_whole(), "{report}");
}

#[test]
fn a_record_over_the_limit_ends_its_session_only() {
    let dir = tempdir().unwrap();
    let store = sample::store(dir.path());
    let mut log = start(&store);
    let text = "x".repeat(crate::frame::MAX_PAYLOAD);
    let error = log.append(vec![operation(&text)]).unwrap_err().to_string();
    assert!(error.contains("limit"), "{error}");
    drop(log);
    whole(&store);
    assert!(store.session().is_ok());
    drop(store);
    assert!(verify(dir.path()).unwrap().is_whole());
}
