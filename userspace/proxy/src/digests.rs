//! What is in the files of the programs behind a flow: found out only where a rule of the job asks
//! for it, and before the flow is judged first.

use std::sync::Arc;
use std::time::Instant;

use sluice_flow::kernel::Origin;
use sluice_flow::ports::Digests;
use sluice_flow::{Exec, Lineage, NoDigest};
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use crate::job::RunningJob;
use crate::limits::DIGEST_WAIT;
use crate::priority::among_jobs;
use crate::proxy::Proxy;

/// The chain behind a flow, with what the policies of its job ask of it.
pub(crate) async fn behind(proxy: &Proxy, job: &RunningJob, origin: &Origin) -> Lineage {
    with_digests(&proxy.digests, job, proxy.lineages.behind(origin)).await
}

async fn with_digests(digests: &Arc<dyn Digests>, job: &RunningJob, lineage: Lineage) -> Lineage {
    if !job.policy().1.asks_exe_sha256() {
        return lineage;
    }
    let lineage = told(lineage, |exec| match &exec.image {
        Some(image) => digests.known(image).ok_or(NoDigest::Late),
        None => Err(NoDigest::NotSeen),
    });
    let open = |exec: &Arc<Exec>| exec.exe_sha256_unknown == Some(NoDigest::Late);
    if !lineage.execs.iter().any(open) {
        return lineage;
    }
    let until = Instant::now() + DIGEST_WAIT;
    let turn = Arc::clone(&job.hashing).acquire_owned();
    let Ok(Ok(turn)) = timeout_at(until.into(), turn).await else {
        return lineage;
    };
    let (digests, so_far) = (Arc::clone(digests), lineage.clone());
    // Reading a file blocks; flows of other jobs are served on this thread.
    let hashed = spawn_blocking(move || {
        among_jobs();
        let hashed = hashed(&*digests, so_far, until);
        drop(turn); // held to here also where the flow is gone by now
        hashed
    });
    hashed.await.unwrap_or(lineage)
}

/// The same with what is not known yet hashed: of the process that opened the flow first.
fn hashed(digests: &dyn Digests, lineage: Lineage, until: Instant) -> Lineage {
    told(lineage, |exec| match (&exec.exe_sha256, &exec.image) {
        (Some(known), _) => Ok(known.clone()),
        (None, Some(image)) => digests.digest(exec.id.process, image, until),
        (None, None) => Err(NoDigest::NotSeen),
    })
}

/// The lineage with what `look` says of each image, asked from the last to the first.
fn told(mut lineage: Lineage, look: impl Fn(&Exec) -> Result<String, NoDigest>) -> Lineage {
    for exec in lineage.execs.iter_mut().rev() {
        let (known, why) = match look(exec) {
            Ok(known) => (Some(known), None),
            Err(why) => (None, Some(why)),
        };
        *exec = Arc::new(Exec {
            exe_sha256: known,
            exe_sha256_unknown: why,
            ..Exec::clone(exec)
        });
    }
    lineage
}

#[cfg(test)]
#[path = "digests_tests.rs"]
mod tests;
