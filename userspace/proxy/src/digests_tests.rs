use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_flow::{ImageFile, ProcessId};

use super::*;
use crate::gate::tests::{fixture, lineage};

/// Files by inode: 1 is known, 2 can be hashed, others cannot.
#[derive(Default)]
struct Files {
    asked: AtomicUsize,
}

impl Digests for Files {
    fn known(&self, image: &ImageFile) -> Option<String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        (image.inode == 1).then(|| "known".to_owned())
    }

    fn digest(&self, _: ProcessId, image: &ImageFile, _: Instant) -> Result<String, NoDigest> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match image.inode {
            2 => Ok("hashed".to_owned()),
            _ => Err(NoDigest::Changed),
        }
    }
}

const ASKS: &str = "  - { name: r, who: { ancestor: { exe_sha256: \
    \"0000000000000000000000000000000000000000000000000000000000000000\" } }, then: allow }";
const ASKS_NOT: &str = "  - { name: r, who: { exe: /usr/bin/curl }, then: allow }";

/// A chain of images with these inodes; `None`: one that was found.
fn chain(inodes: &[Option<u64>]) -> Lineage {
    let one = lineage();
    let exec = one.leaf().unwrap();
    let image = |inode| ImageFile {
        device: (8, 1),
        inode,
        changed: (1, 2),
        executed: 3,
        granularity: 1,
        file_system: 0xef53,
        of_user_namespace: false,
    };
    let execs = inodes.iter().map(|inode| {
        Arc::new(Exec {
            image: inode.map(image),
            ..exec.clone()
        })
    });
    Lineage {
        execs: execs.collect(),
        complete: true,
    }
}

fn of(lineage: &Lineage) -> Vec<Result<&str, Option<NoDigest>>> {
    let told = |exec: &'_ Arc<Exec>| exec.exe_sha256_unknown;
    let execs = lineage.execs.iter();
    execs
        .map(|exec| exec.exe_sha256.as_deref().ok_or(told(exec)))
        .collect()
}

#[tokio::test]
async fn a_chain_tells_what_is_in_its_files_where_a_rule_asks() {
    let job = Arc::clone(&fixture(ASKS).gate.asker.job);
    let digests: Arc<dyn Digests> = Arc::new(Files::default());
    for (inodes, want) in [
        (&[][..], &[][..]),
        (&[Some(1)], &[Ok("known")]),
        (&[Some(2), Some(1)], &[Ok("hashed"), Ok("known")]),
        (
            &[None, Some(3), Some(2)],
            &[
                Err(Some(NoDigest::NotSeen)),
                Err(Some(NoDigest::Changed)),
                Ok("hashed"),
            ],
        ),
    ] {
        let lineage = with_digests(&digests, &job, chain(inodes)).await;
        assert_eq!(of(&lineage), want, "{inodes:?}");
    }
}

#[tokio::test]
async fn where_no_rule_asks_nothing_is_looked_at() {
    let job = Arc::clone(&fixture(ASKS_NOT).gate.asker.job);
    let files = Arc::new(Files::default());
    let digests: Arc<dyn Digests> = Arc::clone(&files) as _;
    let lineage = with_digests(&digests, &job, chain(&[Some(1), Some(2)])).await;
    assert_eq!(of(&lineage), [Err(None), Err(None)]);
    assert_eq!(files.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flow_whose_turn_does_not_come_goes_on_without() {
    let job = Arc::clone(&fixture(ASKS).gate.asker.job);
    let digests: Arc<dyn Digests> = Arc::new(Files::default());
    let turn = Arc::clone(&job.hashing).acquire_owned().await.unwrap();
    let chain = chain(&[Some(1), Some(2)]);
    let lineage = with_digests(&digests, &job, chain.clone()).await;
    assert_eq!(of(&lineage), [Ok("known"), Err(Some(NoDigest::Late))]);
    drop(turn);
    let lineage = with_digests(&digests, &job, chain).await;
    assert_eq!(of(&lineage), [Ok("known"), Ok("hashed")]);
}

#[tokio::test]
async fn a_record_has_what_was_found_out_since() {
    let job = Arc::clone(&fixture(ASKS).gate.asker.job);
    let digests: Arc<dyn Digests> = Arc::new(Files::default());
    let before = chain(&[Some(2)]);
    assert_eq!(of(&job.masked_lineage(&before)), [Err(None)]);
    let after = with_digests(&digests, &job, before).await;
    let recorded = job.masked_lineage(&after);
    assert_eq!(of(&recorded), [Ok("hashed")]);
    assert_eq!(recorded.leaf().unwrap().image, None);
}
