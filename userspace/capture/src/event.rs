//! Decodes the events of the ring buffer into the words of `flow`.
//!
//! Everything in them was bounded by the kernel side; what does not fit is dropped and counted
//! as lost, never guessed.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sluice_abi::{
    ADOPTED, AdoptedEvent, EXEC, EXIT, EventHead, ExecEvent, ExitEvent, FORK, ForkEvent, Member,
    ProcessKey, REFUSED, RefusedEvent, argv, hook, reason, tag,
};
use sluice_flow::kernel::{Actor, JobTag, KernelEvent, KernelRefusal, Started};
use sluice_flow::{ArgvState, ImageFile, ProcessId};

use crate::found;
use crate::plain::{Integers, take};

/// Decodes one event of the ring buffer, as `sluice-abi` lays it out; `None` when it is not one that
/// this layout knows. Bytes come from our own kernel programs, but texts in them are a job's.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<KernelEvent> {
    let (head, _) = take::<EventHead>(bytes)?;
    match head.kind {
        FORK => whole::<ForkEvent>(bytes).map(|event| KernelEvent::Forked {
            parent: actor(&head.member),
            child: process(&event.child),
            at: head.at,
        }),
        EXEC => {
            let (event, rest) = take::<ExecEvent>(bytes)?;
            Some(KernelEvent::Started(Box::new(started(&event, rest)?)))
        }
        EXIT => whole::<ExitEvent>(bytes).map(|_| KernelEvent::Exited {
            actor: actor(&head.member),
            at: head.at,
        }),
        REFUSED => whole::<RefusedEvent>(bytes).map(|event| KernelEvent::Refused {
            actor: actor(&head.member),
            incomplete: head.member.flags & tag::INCOMPLETE != 0,
            refusal: refusal(&event),
            at: head.at,
        }),
        ADOPTED => whole::<AdoptedEvent>(bytes)
            .map(|event| KernelEvent::Started(Box::new(adopted(&event)))),
        _ => None,
    }
}

/// A fixed-size event; the ring buffer rounds lengths up to eight bytes, no further.
fn whole<T: Integers>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = take(bytes)?;
    (rest.len() < 8).then_some(value)
}

pub(crate) fn process(key: &ProcessKey) -> ProcessId {
    ProcessId {
        tgid: key.tgid,
        started: key.started,
    }
}

pub(crate) fn actor(member: &Member) -> Actor {
    Actor {
        process: process(&member.process),
        ordinal: member.ordinal,
        job: JobTag(member.job),
    }
}

/// An address of the maps and events: 16 bytes in network order, v4 as v4-mapped.
pub(crate) fn address(words: [u32; 4], port: u16) -> SocketAddr {
    let mut octets = [0_u8; 16];
    for (four, word) in octets.chunks_exact_mut(4).zip(words) {
        four.copy_from_slice(&word.to_ne_bytes());
    }
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical(), port)
}

fn started(event: &ExecEvent, parts: &[u8]) -> Option<Started> {
    let (filename, rest) = parts.split_at_checked(length(event.filename_len)?)?;
    let (arguments, rest) = rest.split_at_checked(length(event.argv_len)?)?;
    let cwd_parts = rest.get(..length(event.cwd_len)?)?;
    let other_root = event.flags & argv::OTHER_ROOT != 0;
    let cut = event.flags & argv::CWD_TRUNCATED != 0;
    let cwd = directory(cwd_parts, cut || other_root);
    let exe = absolute(&text(filename), &cwd);
    let exe = match other_root && exe.starts_with('/') {
        true => format!("...{exe}"),
        false => exe,
    };
    let flags = event.head.member.flags;
    Some(Started {
        actor: actor(&event.head.member),
        exe,
        argv: arguments_of(arguments),
        argv_state: argv_state(event.flags),
        cwd,
        uid: event.uid,
        cgroup: event.cgroup,
        root: flags & tag::ROOT != 0 && event.head.member.ordinal == 1,
        found: flags & (tag::ADOPTED | tag::ROOT) == tag::ADOPTED && event.head.member.ordinal == 1,
        image: image_file(event),
        at: event.head.at,
    })
}

/// The bit of `i_ctime_nsec` by which Linux 6.13 remembers that somebody asked for the time.
const CHANGED_QUERIED: u32 = 1 << 31;

/// The file of an image; `None` where the kernel side could not read which one it is.
fn image_file(event: &ExecEvent) -> Option<ImageFile> {
    let image = &event.image;
    (image.inode != 0).then_some(ImageFile {
        device: (image.device >> 20, image.device & 0xf_ffff),
        inode: image.inode,
        changed: (image.changed, image.changed_nanos & !CHANGED_QUERIED),
        executed: event.head.at,
        granularity: image.granularity,
        file_system: image.file_system,
        of_user_namespace: image.user_ns_level != 0,
    })
}

/// What runs already is read from /proc, which the process itself can change: `found` says so.
fn adopted(event: &AdoptedEvent) -> Started {
    let member = &event.head.member;
    let image = found::image(&member.process).unwrap_or_default();
    Started {
        actor: actor(member),
        exe: image.exe,
        argv: image.argv,
        argv_state: ArgvState::Whole,
        cwd: image.cwd,
        uid: image.uid,
        cgroup: event.cgroup,
        root: false,
        found: true,
        image: None,
        at: event.head.at,
    }
}

fn length(field: u32) -> Option<usize> {
    usize::try_from(field).ok()
}

fn argv_state(flags: u32) -> ArgvState {
    if flags & argv::FAULTED != 0 {
        ArgvState::Faulted
    } else if flags & argv::TRUNCATED != 0 {
        ArgvState::Truncated
    } else {
        ArgvState::Whole
    }
}

/// Bytes up to the first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(end).into_owned()
}

/// NUL-ended arguments; the last may have lost its NUL to the limit.
pub(crate) fn arguments_of(bytes: &[u8]) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let whole = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    whole
        .split(|byte| *byte == 0)
        .map(|a| String::from_utf8_lossy(a).into_owned())
        .collect()
}

/// Components, the innermost first, as an absolute path. One whose beginning is missing, or is not
/// the host's, starts with `.../`, so that nobody takes it for another.
fn directory(bytes: &[u8], truncated: bool) -> String {
    let components = arguments_of(bytes);
    let mut path = String::from(if truncated { "..." } else { "" });
    for component in components.iter().rev() {
        path.push('/');
        path.push_str(component);
    }
    if path.is_empty() {
        "/".to_owned()
    } else {
        path
    }
}

/// Joined to the directory where it is relative. Empty components and `.` mean nothing and go;
/// `..` stays: where it leads, symbolic links decide.
fn absolute(filename: &str, cwd: &str) -> String {
    if filename.is_empty() {
        return String::new();
    }
    let start = if filename.starts_with('/') { "" } else { cwd };
    let meaning = filename
        .split('/')
        .filter(|part| !matches!(*part, "" | "."));
    meaning.fold(start.trim_end_matches('/').to_owned(), |path, part| {
        path + "/" + part
    })
}

fn refusal(event: &RefusedEvent) -> KernelRefusal {
    let known = event.port != 0 || event.ip != [0; 4];
    KernelRefusal {
        hook: hook_name(event).to_owned(),
        reason: reason_name(event.reason).to_owned(),
        socket: socket_name(event),
        destination: known.then(|| address(event.ip, event.port)),
    }
}

/// `AF_INET`, as sockets' families are 16 bits wide.
const AF_INET: u16 = 2;

fn hook_name(event: &RefusedEvent) -> &'static str {
    let v4 = event.family == AF_INET;
    match (event.hook, v4) {
        (hook::CONNECT, true) => "connect4",
        (hook::CONNECT, false) => "connect6",
        (hook::SENDMSG, true) => "sendmsg4",
        (hook::SENDMSG, false) => "sendmsg6",
        (hook::SOCKET, _) => "sock_create",
        (hook::EGRESS, _) => "egress",
        _ => "unknown",
    }
}

fn reason_name(code: u8) -> &'static str {
    match code {
        reason::DOWN => "daemon_down",
        reason::FORGED => "forged",
        reason::NETNS => "other_netns",
        reason::UDP => "udp",
        reason::SOCKET_KIND => "socket_kind",
        reason::STRAY => "stray_packet",
        reason::NO_LISTENER => "no_listener",
        reason::NO_MEMORY => "no_memory",
        reason::NO_TAG => "no_tag",
        reason::HANDED_IN => "handed_in",
        _ => "unknown",
    }
}

/// `inet/dgram/udp`, `inet6/raw/icmp6`; numbers where there is no word.
fn socket_name(event: &RefusedEvent) -> String {
    let family = match event.family {
        AF_INET => "inet".to_owned(),
        10 => "inet6".to_owned(),
        other => other.to_string(),
    };
    let kind = match event.socket_type {
        0 => "packet".to_owned(),
        1 => "stream".to_owned(),
        2 => "dgram".to_owned(),
        3 => "raw".to_owned(),
        5 => "seqpacket".to_owned(),
        other => other.to_string(),
    };
    let protocol = match event.protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmp6".to_owned(),
        132 => "sctp".to_owned(),
        136 => "udplite".to_owned(),
        262 => "mptcp".to_owned(),
        other => other.to_string(),
    };
    format!("{family}/{kind}/{protocol}")
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
