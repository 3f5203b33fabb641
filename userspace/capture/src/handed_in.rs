//! Ends streams that were connected outside of every job and on which a member wrote. The programs
//! drop what leaves them, but TCP keeps it and sends it again: for minutes after the last of its
//! processes is gone, and then nobody may be there to drop it any more.
//!
//! By `SOCK_DESTROY` of sock_diag(7), since Linux 4.5 with CONFIG_INET_DIAG_DESTROY.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{SockDiagDestroy, SockDiagMessage};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{recv, send, socket};
use sluice_abi::{Counter, HandedIn};

use crate::bpffs::Bpffs;
use crate::capture::Capture;
use crate::error::CaptureError;
use crate::event::address;
use crate::plain::Plain;

/// Streams that can be handed in to jobs between two calls of [`Capture::end_handed_in`].
pub const HANDED_IN_MAX: usize = sluice_abi::HANDED_IN_MAX;

const NAME: &str = "HANDED_IN";
/// Room for the kernel's answer to one request: a header, a code, and the request again.
const ANSWER_MAX: usize = 512;

/// The streams to end, by the cookie of their socket.
pub(crate) struct HandedInStreams {
    map: HashMap<MapData, u64, Plain<HandedIn>>,
    /// How many that did not fit were told of already.
    told_lost: u64,
}

impl Capture {
    /// Ends the streams that were connected outside of every job and on which a member wrote:
    /// nothing leaves them as long as the programs act, and what waits in them must not leave
    /// later. Gives how many could not be ended; of more than [`HANDED_IN_MAX`] between two calls
    /// the rest cannot.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn end_handed_in(&self) -> Result<u64, CaptureError> {
        let mut streams = self.handed_in.lock();
        let withstood = streams.end()?;
        let lost = self.counter(Counter::LostHandedIn);
        let news = lost.saturating_sub(streams.told_lost);
        streams.told_lost = lost;
        Ok(withstood.saturating_add(news))
    }
}

impl HandedInStreams {
    pub(crate) fn new(map: HashMap<MapData, u64, Plain<HandedIn>>) -> Self {
        Self { map, told_lost: 0 }
    }

    /// Ends what an instance that is gone left behind in its state directory.
    pub(crate) fn end_left(state: &Path) -> Result<(), CaptureError> {
        let pin = Bpffs::map_at(state, NAME);
        if !pin.exists() {
            return Ok(());
        }
        let map = MapData::from_pin(&pin).map(Map::HashMap);
        let map = map.and_then(HashMap::try_from);
        Self::new(map.map_err(CaptureError::map(NAME))?).end()?;
        Ok(())
    }

    /// Ends all of them, and forgets them. Gives how many could not be ended, and logs why.
    fn end(&mut self) -> Result<u64, CaptureError> {
        let streams: Result<Vec<_>, MapError> = self.map.iter().collect();
        let streams = streams.map_err(CaptureError::map(NAME))?;
        let mut by_namespace: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for (cookie, Plain(stream)) in streams {
            let there = by_namespace.entry(stream.netns).or_default();
            there.push((cookie, stream));
        }
        let mut withstood = 0_u64;
        for (number, streams) in by_namespace {
            withstood = withstood.saturating_add(end_in(number, &streams));
            for (cookie, _) in streams {
                // One that is not there any more is no matter.
                let _ = self.map.remove(&cookie);
            }
        }
        Ok(withstood)
    }
}

/// Ends streams of one network namespace. Gives how many could not be ended, and logs why.
fn end_in(number: u32, streams: &[(u64, HandedIn)]) -> u64 {
    let end_all = || -> io::Result<u64> {
        if let Some(namespace) = namespace(number)? {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
        }
        Ok(streams
            .iter()
            .map(|stream| u64::from(withstands(stream)))
            .sum())
    };
    // On a thread of its own, as it may go into another namespace.
    let ended = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, end_all)?;
        let panicked = |_| io::Error::other("the thread for it panicked");
        thread.join().map_err(panicked)?
    });
    ended.unwrap_or_else(|error| {
        let count = streams.len();
        tracing::error!(count, %error, "connections that were handed in to a job do not end");
        u64::try_from(count).unwrap_or(u64::MAX)
    })
}

/// Whether it could not be ended; it is no error that it was gone.
fn withstands(stream: &(u64, HandedIn)) -> bool {
    let error = match end_one(stream) {
        Ok(()) | Err(Errno::ENOENT) => return false,
        Err(error) => error,
    };
    let to = address(stream.1.remote_ip, stream.1.remote_port);
    tracing::error!(%to, %error, "a connection that was handed in to a job does not end");
    true
}

/// The namespace with this number; `None` for our own.
fn namespace(number: u32) -> io::Result<Option<File>> {
    let is_it = |file: &File| {
        file.metadata()
            .is_ok_and(|status| status.ino() == u64::from(number))
    };
    if is_it(&File::open("/proc/thread-self/ns/net")?) {
        return Ok(None);
    }
    let threads = entries("/proc".as_ref())
        .map(|process| process.join("task"))
        .flat_map(|tasks| entries(&tasks));
    let mut opened = threads.filter_map(|thread| File::open(thread.join("ns/net")).ok());
    let found = opened.find(is_it).ok_or_else(|| {
        let why = "no process is in its network namespace";
        io::Error::new(io::ErrorKind::NotFound, why)
    });
    found.map(Some)
}

/// What is in a directory; nothing where it is none, or gone.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}

/// `SOCK_DESTROY` of one, in the namespace of the calling thread.
fn end_one((cookie, stream): &(u64, HandedIn)) -> Result<(), Errno> {
    // One for each: no answer is taken for that of another.
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    let request = request(*cookie, stream)?;
    send(netlink.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut answer = [0; ANSWER_MAX];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let answer = answer.get(..length).ok_or(Errno::EMSGSIZE)?;
    let answer =
        NetlinkMessage::<SockDiagMessage>::deserialize(answer).map_err(|_| Errno::EBADMSG)?;
    match answer.payload {
        NetlinkPayload::Error(error) => match error.code {
            None => Ok(()),
            Some(code) => Err(Errno::from_raw(code.get().saturating_neg())),
        },
        _ => Err(Errno::EBADMSG),
    }
}

fn request(cookie: u64, stream: &HandedIn) -> Result<Vec<u8>, Errno> {
    let local = address(stream.local_ip, stream.local_port);
    let remote = address(stream.remote_ip, stream.remote_port);
    // One that speaks to a v4-mapped address is found by the v4 one.
    let family = if remote.is_ipv4() {
        sluice_abi::FAMILY_V4
    } else {
        sluice_abi::FAMILY_V6
    };
    let which = InetRequest {
        family,
        protocol: u8::try_from(stream.protocol).map_err(|_| Errno::EOPNOTSUPP)?,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id: SocketId {
            source_port: local.port(),
            destination_port: remote.port(),
            source_address: local.ip(),
            destination_address: remote.ip(),
            interface_id: stream.interface,
            cookie: cookie.to_ne_bytes(),
        },
    };
    let destroy = SockDiagDestroy::new(SockDiagMessage::InetRequest(which));
    let mut message = NetlinkMessage::from(destroy);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    Ok(bytes)
}
