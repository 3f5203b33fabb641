//! Who is at the other end of a connection, as the kernel tells.
//!
//! The kernel keeps the credentials of the process that called `connect` (unix(7),
//! `SO_PEERCRED`), and a pid comes back: a job could connect, hand the socket to a child, exit,
//! and wait until its pid belongs to somebody else. So a peer is only believed while the very
//! process that connected lives: by its pidfd (`SO_PEERPIDFD`, Linux 6.5), before that by the
//! start time that `/proc` tells for its pid.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use sluice_flow::ports::Person;

/// The process at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its thread group id; 0 where it is in a PID namespace that cannot be seen from here.
    pub pid: u32,
    /// Its user when it connected.
    pub uid: u32,
    proof: Proof,
}

/// By what a process is known to be the one that connected.
#[derive(Debug)]
enum Proof {
    Pidfd(OwnedFd),
    StartTime(u64),
    None,
}

impl Peer {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When the socket tells no credentials.
    pub fn of(socket: &impl AsFd) -> nix::Result<Self> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
        let pid = u32::try_from(credentials.pid()).unwrap_or(0);
        Ok(Self {
            pid,
            uid: credentials.uid(),
            proof: proof(socket, pid),
        })
    }

    /// Whether the process that connected lives, so that [`Peer::pid`] names it and no other.
    #[must_use]
    pub fn lives(&self) -> bool {
        match &self.proof {
            Proof::Pidfd(pidfd) => {
                let mut exit = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                poll(&mut exit, PollTimeout::ZERO) == Ok(0)
            }
            Proof::StartTime(then) => start_time(self.pid) == Some(*then),
            Proof::None => false,
        }
    }
}

fn proof(socket: &impl AsFd, pid: u32) -> Proof {
    match getsockopt(socket, sockopt::PeerPidfd) {
        Ok(pidfd) => Proof::Pidfd(pidfd),
        Err(Errno::ENOPROTOOPT) => start_time(pid).map_or(Proof::None, Proof::StartTime),
        Err(_) => Proof::None,
    }
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)), counted behind the name, which may hold
/// anything.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// A user with all groups, from the user and group databases. May block on the network where
/// they are kept there.
///
/// A user who is in no database has their number for a name, and no groups.
#[must_use]
pub fn person(uid: u32) -> Person {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let groups = user.as_ref().map(groups_of).unwrap_or_default();
    Person {
        uid,
        name: user.map_or_else(|| uid.to_string(), |user| user.name),
        groups,
    }
}

fn groups_of(user: &User) -> Vec<String> {
    let Ok(name) = CString::new(user.name.as_str()) else {
        return Vec::new();
    };
    let ids: Vec<Gid> = getgrouplist(&name, user.gid).unwrap_or_default();
    ids.into_iter()
        .filter_map(|id| Group::from_gid(id).ok().flatten())
        .map(|group| group.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let peer = Peer::of(&here).unwrap();
        assert_eq!(peer.pid, std::process::id());
        assert_eq!(peer.uid, Uid::effective().as_raw());
        assert!(peer.lives());
    }

    #[test]
    fn by_start_time_only_the_same_process_lives() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        let peer = |started| Peer {
            pid,
            uid: 0,
            proof: Proof::StartTime(started),
        };
        assert!(peer(started).lives());
        assert!(!peer(started + 1).lives());
    }

    #[test]
    fn a_peer_without_proof_does_not_live() {
        let peer = Peer {
            pid: std::process::id(),
            uid: 0,
            proof: Proof::None,
        };
        assert!(!peer.lives());
        assert_eq!(start_time(0), None);
    }

    #[test]
    fn a_process_that_is_gone_does_not_live() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // The child connects, hands the connection to nobody, and waits to be killed.
        let mut child = std::process::Command::new("python3")
            .args(["-c", "import socket,sys,time; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); time.sleep(60)"])
            .arg(&path)
            .spawn()
            .unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let peer = Peer::of(&accepted).unwrap();
        assert_eq!(peer.pid, child.id());
        assert!(peer.lives());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!peer.lives());
    }

    #[test]
    fn root_has_a_name_and_a_group_and_a_stranger_neither() {
        let root = person(0);
        assert_eq!(root.name, "root");
        assert!(root.groups.contains(&"root".to_owned()));
        let stranger = person(4_000_000_001);
        assert_eq!(stranger.name, "4000000001");
        assert!(stranger.groups.is_empty());
    }
}
