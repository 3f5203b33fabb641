//! Which names a job resolved to which addresses: what proves a host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::{MAX_NAMED_ADDRESSES, MAX_NAMES_PER_ADDRESS, MIN_NAME_LIFETIME};

#[derive(Debug)]
struct Name {
    name: String,
    until: Instant,
}

/// The names of one job.
#[derive(Debug, Default)]
pub struct Names {
    by_address: Mutex<HashMap<IpAddr, Vec<Name>>>,
}

impl Names {
    /// Ties `name` to `address` for `ttl`, and at least [`MIN_NAME_LIFETIME`]. False where
    /// no more can be remembered: the answer must not reach the client then.
    #[must_use]
    pub fn tie(&self, address: IpAddr, name: &str, ttl: Duration, now: Instant) -> bool {
        let mut by_address = self.by_address.lock();
        if by_address.len() >= MAX_NAMED_ADDRESSES && !by_address.contains_key(&address) {
            by_address.retain(|_, names| names.iter().any(|n| n.until > now));
            if by_address.len() >= MAX_NAMED_ADDRESSES {
                return false;
            }
        }
        let until = now + ttl.max(MIN_NAME_LIFETIME);
        let names = by_address.entry(address.to_canonical()).or_default();
        names.retain(|n| n.until > now && n.name != name);
        if names.len() >= MAX_NAMES_PER_ADDRESS {
            return false;
        }
        names.push(Name {
            name: name.to_owned(),
            until,
        });
        true
    }

    /// All that is known, and for how long it still is.
    #[must_use]
    pub fn all(&self, now: Instant) -> Vec<(IpAddr, String, Duration)> {
        let by_address = self.by_address.lock();
        let all = by_address.iter().flat_map(|(address, names)| {
            let of_address = names.iter().filter(|n| n.until > now);
            of_address.map(|n| (*address, n.name.clone(), n.until.duration_since(now)))
        });
        all.collect()
    }

    /// The names that were resolved to `address`.
    #[must_use]
    pub fn of(&self, address: IpAddr, now: Instant) -> Vec<String> {
        let by_address = self.by_address.lock();
        let names = by_address
            .get(&address.to_canonical())
            .map(Vec::as_slice)
            .unwrap_or_default();
        names
            .iter()
            .filter(|n| n.until > now)
            .map(|n| n.name.clone())
            .collect()
    }
}

/// Names that the host's owner gave to addresses: `/etc/hosts` and `[resolver.hosts]`.
#[derive(Debug, Clone, Default)]
pub struct StaticNames {
    by_name: HashMap<String, Vec<IpAddr>>,
}

impl StaticNames {
    /// Adds one name.
    pub fn add(&mut self, name: &str, address: IpAddr) {
        let addresses = self.by_name.entry(name.to_ascii_lowercase()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// Adds what a hosts(5) file says; lines that say nothing are passed over.
    pub fn add_hosts_file(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
                continue;
            };
            words.for_each(|name| self.add(name, address));
        }
    }

    /// The addresses of a name; `None` where the owner says nothing of it.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.by_name.get(name).map(Vec::as_slice)
    }

    /// The names of an address, sorted.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> Vec<String> {
        let has = |addresses: &[IpAddr]| addresses.contains(&address.to_canonical());
        let mut names: Vec<String> = self
            .by_name
            .iter()
            .filter(|(_, a)| has(a))
            .map(|(n, _)| n.clone())
            .collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_name_is_tied_for_its_ttl_and_at_least_the_minimum() {
        let (names, now) = (Names::default(), Instant::now());
        assert!(names.tie(ip(1), "a.example.com", Duration::from_secs(1), now));
        let soon = now + MIN_NAME_LIFETIME - Duration::from_secs(1);
        assert_eq!(names.of(ip(1), soon), ["a.example.com"]);
        assert!(names.of(ip(1), now + MIN_NAME_LIFETIME).is_empty());
        assert!(names.of(ip(2), now).is_empty());
    }

    #[test]
    fn what_is_known_can_be_tied_again() {
        let (names, again, now) = (Names::default(), Names::default(), Instant::now());
        let hour = Duration::from_secs(3_600);
        assert!(names.tie(ip(1), "a.example.com", hour, now));
        assert!(names.tie(ip(2), "b.example.com", Duration::ZERO, now));
        let later = now + MIN_NAME_LIFETIME;
        let all = names.all(later);
        assert_eq!(
            all,
            [(ip(1), "a.example.com".to_owned(), hour - MIN_NAME_LIFETIME)]
        );
        for (address, name, left) in all {
            assert!(again.tie(address, &name, left, later));
        }
        assert_eq!(again.of(ip(1), later), ["a.example.com"]);
    }

    #[test]
    fn names_of_an_address_are_bounded() {
        let (names, now) = (Names::default(), Instant::now());
        for i in 0..MAX_NAMES_PER_ADDRESS {
            assert!(
                names.tie(ip(1), &format!("{i}.example.com"), Duration::ZERO, now),
                "{i}"
            );
        }
        assert!(!names.tie(ip(1), "one-more.example.com", Duration::ZERO, now));
    }

    #[test]
    fn addresses_are_bounded_and_expired_ones_make_room() {
        let (names, now) = (Names::default(), Instant::now());
        let address = |i: usize| IpAddr::from(u32::try_from(i).unwrap().to_be_bytes());
        for i in 0..MAX_NAMED_ADDRESSES {
            assert!(names.tie(address(i), "a.example.com", Duration::ZERO, now));
        }
        assert!(!names.tie(
            address(MAX_NAMED_ADDRESSES),
            "a.example.com",
            Duration::ZERO,
            now
        ));
        let later = now + MIN_NAME_LIFETIME;
        assert!(names.tie(
            address(MAX_NAMED_ADDRESSES),
            "a.example.com",
            Duration::ZERO,
            later
        ));
    }

    #[test]
    fn the_hosts_file_names_addresses() {
        let mut names = StaticNames::default();
        names.add_hosts_file("# c\n192.0.2.1 DB.example.com db # x\nnonsense\n192.0.2.2 db\n");
        assert_eq!(names.addresses("db"), Some(&[ip(1), ip(2)][..]));
        assert_eq!(names.names(ip(1)), ["db", "db.example.com"]);
        assert_eq!(names.addresses("other"), None);
    }
}
