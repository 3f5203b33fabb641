use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context as _;
use sluice_harness::REMOTE;

/// A DNS server that answers every question for an address with 127.9.9.9.
pub struct Dns {
    address: SocketAddr,
}

impl Dns {
    /// Listens on a free port of [`REMOTE`]. Its thread ends with the test's process.
    ///
    /// # Errors
    /// When there is none.
    pub fn open() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((REMOTE, 0)).context("bind a DNS server")?;
        let address = socket.local_addr()?;
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut question) {
                let question = question.get(..length).unwrap_or_default();
                let _ = socket.send_to(&answer(question), asker);
            }
        });
        Ok(Self { address })
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// RFC 1035 section 4: the header says one answer, and the question stands as it came.
fn answer(question: &[u8]) -> Vec<u8> {
    let (id, rest) = question.split_at_checked(2).unwrap_or_default();
    let name_and_type = rest.get(10..).unwrap_or_default();
    let end = name_and_type.iter().position(|byte| *byte == 0);
    let asked = name_and_type.get(..end.map_or(0, |end| end.saturating_add(5)));
    let mut message = id.to_vec();
    message.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend(asked.unwrap_or_default());
    // The name of the question, A, IN, a minute, four bytes.
    message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
    if let IpAddr::V4(address) = REMOTE {
        message.extend(Ipv4Addr::octets(&address));
    }
    message
}
