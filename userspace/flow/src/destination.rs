//! Where a flow was headed before it was redirected, and which name is proved for it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Where a flow was headed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The address that the client asked for; a v4-mapped one is its v4 address.
    pub ip: IpAddr,
    /// The port that the client asked for.
    pub port: u16,
    /// The one name that is proved for it.
    pub host: Option<String>,
}

impl Destination {
    /// A destination without a proved name.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self {
            ip: address.ip().to_canonical(),
            port: address.port(),
            host: None,
        }
    }

    /// What to dial.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// What is known of a destination's name. A host is proved, not claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostFact {
    /// The job resolved this name to the address, and nothing in the flow disagrees.
    Proved(String),
    /// The job resolved several names to the address, and the flow does not say which.
    Ambiguous(Vec<String>),
    /// No name is known.
    Unknown,
    /// The flow claims a name that the address was not resolved from.
    Disagree {
        /// The name in the flow (Host header, SNI).
        claimed: String,
        /// The names that the job resolved to the address.
        resolved: Vec<String>,
    },
}

impl HostFact {
    /// What the names that a job resolved to an address prove. Names are lower-cased here.
    #[must_use]
    pub fn resolved(names: &[String]) -> Self {
        match names {
            [] => Self::Unknown,
            [name] => Self::Proved(name.to_ascii_lowercase()),
            several => Self::Ambiguous(several.iter().map(|n| n.to_ascii_lowercase()).collect()),
        }
    }

    /// Takes the name that the flow itself claims into account (RFC 9110 section 7.2).
    ///
    /// A claim that is the address itself claims no name.
    #[must_use]
    pub fn claim(&self, claimed: &str, address: IpAddr) -> Self {
        let claimed = normal_host(claimed);
        if claimed
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical() == address)
        {
            return self.clone();
        }
        let resolved = match self {
            Self::Proved(name) => std::slice::from_ref(name),
            Self::Ambiguous(names) => names.as_slice(),
            Self::Unknown => &[],
            Self::Disagree { .. } => return self.clone(),
        };
        if resolved.contains(&claimed) {
            Self::Proved(claimed)
        } else {
            Self::Disagree {
                claimed,
                resolved: resolved.to_vec(),
            }
        }
    }

    /// The one name, where one is proved.
    #[must_use]
    pub fn proved(&self) -> Option<&str> {
        match self {
            Self::Proved(name) => Some(name),
            Self::Ambiguous(_) | Self::Unknown | Self::Disagree { .. } => None,
        }
    }
}

/// A Host header's or an SNI's name without port, brackets and trailing dot, in lower case.
fn normal_host(claimed: &str) -> String {
    let lower = claimed.trim().to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default().to_owned();
    }
    let name = match lower.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => &lower,
    };
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_claim_is_proved_only_by_a_name_that_was_resolved() {
        let disagree = |claimed: &str, resolved: &[&str]| HostFact::Disagree {
            claimed: claimed.to_owned(),
            resolved: names(resolved),
        };
        let proved = |name: &str| HostFact::Proved(name.to_owned());
        for (resolved, claim, want) in [
            (
                &["a.example.com"][..],
                "a.example.com",
                proved("a.example.com"),
            ),
            (
                &["a.example.com"],
                "A.Example.com.:8080",
                proved("a.example.com"),
            ),
            (
                &["a.example.com"],
                "b.example.com",
                disagree("b.example.com", &["a.example.com"]),
            ),
            (
                &["a.example.com", "b.example.com"],
                "b.example.com:80",
                proved("b.example.com"),
            ),
            (&[], "a.example.com", disagree("a.example.com", &[])),
            (&[], "192.0.2.1:80", HostFact::Unknown),
            (&["a.example.com"], "192.0.2.1", proved("a.example.com")),
            (
                &["a.example.com"],
                "192.0.2.2",
                disagree("192.0.2.2", &["a.example.com"]),
            ),
            (&["a.example.com"], "", disagree("", &["a.example.com"])),
        ] {
            let fact = HostFact::resolved(&names(resolved)).claim(claim, IP);
            assert_eq!(fact, want, "{resolved:?} claims {claim}");
        }
    }

    #[test]
    fn an_ipv6_literal_is_the_address() {
        let ip: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(
            HostFact::Unknown.claim("[2001:db8::1]:443", ip),
            HostFact::Unknown
        );
    }

    #[test]
    fn v4_mapped_is_v4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
        assert_eq!(Destination::of(mapped).ip, IP);
    }
}
