//! Flows by the address from which they arrive.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use sluice_abi::{FAMILY_V4, FAMILY_V6, FlowKey, Origin, PROTO_TCP, PROTO_UDP, tag};
use sluice_flow::kernel::{self, JobTag, Transport};

use crate::error::CaptureError;
use crate::event::{address, process};

/// An origin in the words of `flow`.
pub(crate) fn told(origin: &Origin) -> kernel::Origin {
    kernel::Origin {
        cookie: origin.cookie,
        destination: address(origin.ip, origin.port),
        process: process(&origin.member.process),
        ordinal: origin.member.ordinal,
        incomplete: origin.member.flags & tag::INCOMPLETE != 0,
        job: JobTag(origin.member.job),
        at: origin.at,
    }
}

/// The key under which the kernel side keeps a flow that arrives from `peer`.
pub(crate) fn flow_key(netns: u64, peer: SocketAddr, transport: Transport) -> FlowKey {
    let ip = peer.ip().to_canonical();
    let (octets, family) = match ip {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), FAMILY_V4),
        IpAddr::V6(v6) => (v6.octets(), FAMILY_V6),
    };
    let mut words = [0; 4];
    for (word, four) in words.iter_mut().zip(octets.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*four);
    }
    let protocol = match transport {
        Transport::Tcp => PROTO_TCP,
        Transport::Udp => PROTO_UDP,
    };
    FlowKey {
        netns,
        ip: words,
        port: peer.port(),
        protocol,
        family,
        pad: 0,
    }
}

/// The cookie of our own network namespace (`SO_NETNS_COOKIE`, Linux 5.14).
pub(crate) fn netns_cookie() -> Result<u64, CaptureError> {
    let lacking = || CaptureError::Kernel {
        what: "SO_NETNS_COOKIE".to_owned(),
        do_next: "use Linux 5.14 or later",
    };
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|_| lacking())?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(8);
    // SAFETY: `cookie` has `length` bytes, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(cookie)
    } else {
        Err(lacking())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v4_mapped_peer_has_the_key_of_its_v4_address() {
        let v4 = flow_key(1, "127.0.0.1:9".parse().unwrap(), Transport::Tcp);
        let mapped = flow_key(1, "[::ffff:127.0.0.1]:9".parse().unwrap(), Transport::Tcp);
        assert_eq!(v4, mapped);
        assert_eq!((v4.family, v4.port, v4.protocol), (FAMILY_V4, 9, PROTO_TCP));
        assert_eq!(address(v4.ip, v4.port), "127.0.0.1:9".parse().unwrap());
    }

    #[test]
    fn namespace_port_family_and_transport_tell_flows_apart() {
        let key = |netns, peer: &str, over| flow_key(netns, peer.parse().unwrap(), over);
        let one = key(1, "127.0.0.1:9", Transport::Tcp);
        for other in [
            key(2, "127.0.0.1:9", Transport::Tcp),
            key(1, "127.0.0.2:9", Transport::Tcp),
            key(1, "127.0.0.1:10", Transport::Tcp),
            key(1, "127.0.0.1:9", Transport::Udp),
            key(1, "[::1]:9", Transport::Tcp),
        ] {
            assert_ne!(one, other);
        }
    }
}
