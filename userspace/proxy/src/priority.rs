//! Which threads run first on a host that is busy with jobs.

use std::sync::Once;

/// The nice value (sched(7)) of what jobs wait for: it gets about nine times the time of a
/// thread of theirs where both want a core, and runs as soon as there is something to do.
const NICE: i32 = -10;

/// Puts the calling thread, and what it starts from now on, ahead of jobs: a build that keeps
/// every core busy must neither hold up its own connections nor make a heartbeat late, which
/// would refuse them. Where the daemon may not (CAP_SYS_NICE), it says so once and goes on.
pub fn ahead_of_jobs() {
    static SAY_ONCE: Once = Once::new();
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        SAY_ONCE.call_once(|| {
            tracing::warn!(
                %error,
                "the gate has no priority over jobs: on a busy host it may refuse what it \
                 would let through; give it CAP_SYS_NICE"
            );
        });
    }
}

/// Puts the calling thread among the jobs again: what it does costs as much as a job likes.
pub(crate) fn among_jobs() {
    // Less priority is refused to nobody.
    let _ = rustix::process::setpriority_process(None, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_is_put_ahead() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let ahead = std::thread::spawn(move || {
            ahead_of_jobs();
            let ahead = nice();
            among_jobs();
            (ahead, nice())
        });
        let (ahead, among) = ahead.join().unwrap();
        assert_eq!(among, before.max(0));
        let may = nix::unistd::geteuid().is_root();
        assert_eq!(ahead, if may { NICE } else { before });
        assert_eq!(nice(), before);
    }
}
