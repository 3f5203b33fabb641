//! A gate with listeners, and members that are run behind it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sluice_capture::{Capture, JobCgroup, Listeners, MEMBERS_MAX, Options, Root, cgroup};
use sluice_flow::kernel::{JobTag, KernelEvent, KernelRefusal, Origin, Transport};
use sluice_flow::ports::Origins as _;
use socket2::SockRef;

/// Long enough that no test outlives it.
pub(crate) const LONG: Duration = Duration::from_secs(600);
/// How long a test waits for a connection or a datagram.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The variable that tells a member what to do.
pub(crate) const MEMBER: &str = "SLUICE_MEMBER";
/// The line of a member's output that counts starts with it.
pub(crate) const RESULT: &str = "RESULT ";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test, process or instance has.
pub(crate) fn unique() -> String {
    format!(
        "test-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    )
}

/// A capture with listeners and one job's cgroup, open for [`LONG`].
pub(crate) struct Bench {
    pub(crate) capture: Capture,
    pub(crate) cgroup: JobCgroup,
    pub(crate) proxy4: TcpListener,
    pub(crate) proxy6: TcpListener,
    pub(crate) dns4: UdpSocket,
    pub(crate) dns6: UdpSocket,
    pub(crate) state: tempfile::TempDir,
    pub(crate) job: JobTag,
}

/// Whether the machine lets us; says why not.
pub(crate) fn possible() -> bool {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: kernel: needs root");
        return false;
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: kernel: this kernel has no BTF");
        return false;
    }
    true
}

impl Bench {
    /// Everything up and open; `None` where it cannot be.
    pub(crate) fn open() -> Option<Self> {
        let bench = Self::closed()?;
        bench.capture.heartbeat(LONG).unwrap();
        Some(bench)
    }

    /// Everything up, no heartbeat yet.
    pub(crate) fn closed() -> Option<Self> {
        Self::closed_with(MEMBERS_MAX)
    }

    /// The same for so many processes at a time.
    pub(crate) fn closed_with(members_max: u32) -> Option<Self> {
        if !possible() {
            return None;
        }
        let state = tempfile::tempdir().unwrap();
        let options = Options {
            members_max,
            ..options(state.path(), false)
        };
        let capture = Capture::start(&options).unwrap();
        let cgroup = JobCgroup::create(&unique()).unwrap();
        let job = JobTag(u64::from(NUMBER.fetch_add(1, Ordering::Relaxed)) + 1);
        capture.add_runner(cgroup.path(), job, Root::First).unwrap();
        let bench = Self {
            capture,
            cgroup,
            proxy4: TcpListener::bind("127.0.0.1:0").unwrap(),
            proxy6: TcpListener::bind("[::1]:0").unwrap(),
            dns4: UdpSocket::bind("127.0.0.1:0").unwrap(),
            dns6: UdpSocket::bind("[::1]:0").unwrap(),
            state,
            job,
        };
        // A test that waits for what never comes says so instead of hanging.
        for socket in [SockRef::from(&bench.proxy4), SockRef::from(&bench.proxy6)] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        bench.dns4.set_read_timeout(Some(PATIENCE)).unwrap();
        bench.dns6.set_read_timeout(Some(PATIENCE)).unwrap();
        bench.capture.listen(bench.listeners()).unwrap();
        Some(bench)
    }

    pub(crate) fn listeners(&self) -> Listeners {
        Listeners {
            proxy_v4: self.proxy4.local_addr().unwrap().port(),
            proxy_v6: self.proxy6.local_addr().unwrap().port(),
            dns_v4: self.dns4.local_addr().unwrap().port(),
            dns_v6: self.dns6.local_addr().unwrap().port(),
        }
    }

    /// Runs a member to its end; gives its results, line by line.
    pub(crate) fn member(&self, does: &str) -> Vec<String> {
        results(self.spawn(does))
    }

    /// Starts a member.
    pub(crate) fn spawn(&self, does: &str) -> Child {
        spawn_in(self.cgroup.path(), does)
    }

    /// Accepts at the proxy and asks for the origin.
    pub(crate) fn accept(&self, v4: bool) -> (TcpStream, SocketAddr, Option<Origin>) {
        let listener = if v4 { &self.proxy4 } else { &self.proxy6 };
        let (stream, peer) = listener.accept().unwrap();
        let origin = self.capture.take(peer, Transport::Tcp);
        (stream, peer, origin)
    }

    /// Refusals since the last look.
    pub(crate) fn refusals(&self) -> Vec<KernelRefusal> {
        let events = self.capture.drain().into_iter();
        events
            .filter_map(|event| match event {
                KernelEvent::Refused { refusal, .. } => Some(refusal),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.capture.stats();
        stats
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
            .unwrap()
    }
}

pub(crate) fn options(state: &Path, keep_on_drop: bool) -> Options {
    Options {
        state: state.to_owned(),
        keep_on_drop,
        open_when_down: false,
        members_max: MEMBERS_MAX,
    }
}

/// This binary as a member that does `does`, not in any cgroup yet.
pub(crate) fn command(does: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["member", "--exact", "--nocapture", "--test-threads=1"]);
    command
        .env(MEMBER, does)
        .stdout(Stdio::piped())
        .stdin(Stdio::null());
    command
}

/// Starts a process that enters the cgroup before it executes.
pub(crate) fn spawn_in(path: &Path, does: &str) -> Child {
    let mut command = command(does);
    let path: PathBuf = path.to_owned();
    // SAFETY: between fork and exec only the cgroup is entered; no other thread's lock is taken
    // (the path is prepared, the allocator is glibc's, which is safe after fork).
    unsafe {
        command.pre_exec(move || cgroup::join(&path).map_err(std::io::Error::other));
    }
    command.spawn().unwrap()
}

/// What a process of [`command`] said.
pub(crate) fn results(child: Child) -> Vec<String> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| line.split_once(RESULT));
    lines.map(|(_, result)| result.to_owned()).collect()
}

/// Reads what a member says after it has connected (unread bytes would turn our close into a
/// reset), and answers.
pub(crate) fn answer(stream: &mut TcpStream, with: &[u8]) {
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    stream.write_all(with).unwrap();
}
