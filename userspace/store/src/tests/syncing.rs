//! What waits for the disk is woken by it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_flow::ports::Recorder as _;
use tempfile::tempdir;

use super::sample::{operation, start};
use crate::{Disk, FileSystem, LogFile, Options, Store};

/// Counts syncs.
struct Counting(Arc<AtomicUsize>);

struct CountingFile(Arc<dyn LogFile>, Arc<AtomicUsize>);

impl LogFile for CountingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.cut(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sync()
    }
}

impl Disk for Counting {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(CountingFile(
            FileSystem.create(path)?,
            Arc::clone(&self.0),
        )))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(CountingFile(
            FileSystem.open(path)?,
            Arc::clone(&self.0),
        )))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileSystem.sync_dir(dir)
    }
}

/// A store that does not sync by itself for as long as a test runs.
fn patient(dir: &Path) -> (Store, Arc<AtomicUsize>) {
    let syncs = Arc::new(AtomicUsize::new(0));
    let options = Options {
        sync_interval: Duration::from_secs(3600),
        disk: Arc::new(Counting(Arc::clone(&syncs))),
        ..Options::default()
    };
    (Store::open(dir, options).unwrap(), syncs)
}

#[tokio::test]
async fn who_waits_is_served_at_once_and_what_is_synced_needs_no_wait() {
    let dir = tempdir().unwrap();
    let (store, syncs) = patient(dir.path());
    let mut log = start(&store);
    log.synced().await.unwrap();
    let after_one = syncs.load(Ordering::SeqCst);
    assert!(after_one >= 1);
    log.synced().await.unwrap();
    assert_eq!(syncs.load(Ordering::SeqCst), after_one);
    let waiting = log.synced();
    log.append(vec![operation("meanwhile")]).unwrap();
    waiting.await.unwrap();
    log.synced().await.unwrap();
    assert!(syncs.load(Ordering::SeqCst) > after_one);
}

#[tokio::test]
async fn nothing_appended_is_nothing_to_wait_for() {
    let dir = tempdir().unwrap();
    let (store, _) = patient(dir.path());
    store.session().unwrap().synced().await.unwrap();
}

#[tokio::test]
async fn many_who_wait_share_syncs() {
    let dir = tempdir().unwrap();
    let (store, syncs) = patient(dir.path());
    let mut logs: Vec<_> = (0..50).map(|_| start(&store)).collect();
    let waiting: Vec<_> = logs.iter().map(|log| log.synced()).collect();
    for one in waiting {
        one.await.unwrap();
    }
    assert!(syncs.load(Ordering::SeqCst) <= 51);
    logs.clear();
}

#[tokio::test]
async fn the_group_sync_comes_by_itself() {
    let dir = tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let log = start(&store);
    let end = store.head().position;
    loop {
        let head = std::fs::read_to_string(dir.path().join("head")).unwrap_or_default();
        if head.starts_with(&format!("{end:020} ")) {
            break;
        }
        std::thread::yield_now();
    }
    drop(log);
}

#[tokio::test]
async fn the_last_sync_covers_the_last_record() {
    let dir = tempdir().unwrap();
    let (store, _) = patient(dir.path());
    let log = start(&store);
    drop(log);
    let head = store.head();
    drop(store);
    let written = std::fs::read_to_string(dir.path().join("head")).unwrap();
    assert_eq!(written, format!("{head}\n"));
}
