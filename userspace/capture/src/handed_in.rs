//! Ends streams that were connected outside of every job and on which a member wrote. The programs
//! drop what leaves them, but TCP keeps it and sends it again: for minutes after the last of its
//! processes is gone, and then nobody may be there to drop it any more.
//!
//! By `SOCK_DESTROY` of sock_diag(7), since Linux 4.5 with CONFIG_INET_DIAG_DESTROY.

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
use sluice_abi::HandedIn;

use crate::bpffs::Bpffs;
use crate::error::CaptureError;
use crate::event::address;
use crate::plain::Plain;

/// Streams by the cookie of their socket.
pub(crate) type HandedInMap = HashMap<MapData, u64, Plain<HandedIn>>;

const NAME: &str = "HANDED_IN";
/// Room for the kernel's answer to one request: a header, a code, and the request again.
const ANSWER_MAX: usize = 512;

/// Ends all that the map has, and empties it. Gives how many could not be ended, and says why.
pub(crate) fn end(map: &mut HandedInMap) -> Result<u64, CaptureError> {
    let streams: Result<Vec<_>, MapError> = map.iter().collect();
    let streams = streams.map_err(CaptureError::map(NAME))?;
    let mut withstood = 0_u64;
    for (cookie, Plain(stream)) in streams {
        if let Err(error) = end_one(cookie, &stream) {
            let to = address(stream.remote_ip, stream.remote_port);
            tracing::error!(%to, %error, "a connection that was handed in to a job does not end");
            withstood = withstood.saturating_add(1);
        }
        // It does nothing more on the socket; what is not there any more is no matter.
        let _ = map.remove(&cookie);
    }
    Ok(withstood)
}

/// The same for what an instance that is gone left behind in its state directory.
pub(crate) fn end_left(state: &Path) -> Result<(), CaptureError> {
    let pin = Bpffs::map_at(state, NAME);
    if !pin.exists() {
        return Ok(());
    }
    let map = MapData::from_pin(&pin).map(Map::HashMap);
    let mut map = map
        .and_then(HandedInMap::try_from)
        .map_err(CaptureError::map(NAME))?;
    end(&mut map).map(|_| ())
}

/// Ends one stream, in its own network namespace. It is none that it is gone.
fn end_one(cookie: u64, stream: &HandedIn) -> io::Result<()> {
    let namespace = namespace(stream.netns)?;
    // On a thread of its own, as it may go into another namespace.
    let destroyed = std::thread::scope(|scope| {
        let destroy = || {
            if let Some(namespace) = &namespace {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
            }
            destroy(cookie, stream)
        };
        let thread = std::thread::Builder::new().spawn_scoped(scope, destroy);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    match destroyed? {
        Ok(Ok(()) | Err(Errno::ENOENT)) => Ok(()),
        Ok(Err(errno)) => Err(errno.into()),
        Err(_) => Err(io::Error::other("the thread for it panicked")),
    }
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

/// `SOCK_DESTROY` in the namespace of the calling thread.
fn destroy(cookie: u64, stream: &HandedIn) -> Result<(), Errno> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    send(
        netlink.as_raw_fd(),
        &request(cookie, stream)?,
        MsgFlags::empty(),
    )?;
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
