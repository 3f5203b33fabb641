//! Addresses in tests: none that belongs to somebody.
//!
//! Free are loopback, documentation (RFC 5737, RFC 3849, RFC 9637), private and link-local ranges
//! (RFC 1918, RFC 4193, RFC 3927, RFC 6598), multicast, and the unspecified address.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{File, Finding};

pub(super) fn addresses(file: &File) -> Vec<Finding> {
    let Some(rust) = &file.rust else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (number, line) in rust
        .numbered()
        .filter(|(_, line)| file.is_test() || line.in_test)
    {
        let quoted = line
            .quoted
            .split(|char: char| !(char.is_ascii_hexdigit() || ".:".contains(char)));
        let literal = quoted.filter_map(somebodys);
        let built = line
            .code
            .split("Ipv4Addr::new(")
            .skip(1)
            .filter_map(built_v4);
        for address in literal.chain(built) {
            let what = format!("{address} belongs to somebody: use an address of RFC 5737 or 3849");
            found.push(Finding::new("address", number, what));
        }
    }
    found
}

/// The address that a word is, if it is one that somebody may own. The word may have a port.
fn somebodys(word: &str) -> Option<String> {
    let word = word.trim_matches(|char| char == '.');
    let without_port = word.split_once(':').map_or(word, |(address, _)| address);
    if let Ok(address) = without_port.parse::<Ipv4Addr>() {
        return (!is_free_v4(address)).then(|| address.to_string());
    }
    let address = word.parse::<Ipv6Addr>().ok()?;
    let free = address
        .to_ipv4_mapped()
        .map_or_else(|| is_free_v6(address), is_free_v4);
    (!free).then(|| address.to_string())
}

/// What follows `Ipv4Addr::new(`.
fn built_v4(rest: &str) -> Option<String> {
    let (numbers, _) = rest.split_once(')')?;
    let dotted = numbers
        .split(',')
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(".");
    somebodys(&dotted)
}

fn is_free_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_documentation()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || first == 0
        || first >= 240
        || (first == 100 && (64..128).contains(&second))
}

fn is_free_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let documentation =
        (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    // What is not in 2000::/3 is nobody's, but for 64:ff9b::/96, which stands for IPv4.
    documentation || !(0x2000..0x4000).contains(&first) || address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_somebody_are_told_from_free_ones() {
        let bad: [String; 4] = [
            [8, 8, 8, 8],
            [1, 1, 1, 1],
            [93, 184, 215, 14],
            [172, 32, 0, 1],
        ]
        .map(|octets| octets.map(|octet: u8| octet.to_string()).join("."));
        for bad in &bad {
            assert_eq!(somebodys(bad).as_deref(), Some(bad.as_str()));
            assert_eq!(
                somebodys(&format!("{bad}:53")).as_deref(),
                Some(bad.as_str())
            );
        }
        let good = [
            "127.0.0.53",
            "192.0.2.1",
            "198.51.100.7:443",
            "203.0.113.255",
            "10.1.2.3",
            "0.0.0.0",
            "169.254.169.254",
            "255.255.255.255",
            "100.64.0.1",
            "::1",
            "::",
            "2001:db8::1",
            "fe80::1",
            "::ffff:192.0.2.1",
            "1.2.3",
            "12:30",
            "abc",
            "fd00::1",
            "",
        ];
        for good in good {
            assert_eq!(somebodys(good), None, "{good}");
        }
    }

    #[test]
    fn only_tests_are_looked_at() {
        let address = [9, 9, 9, 9].map(|octet: u8| octet.to_string()).join(".");
        let text = format!("const DNS: &str = \"{address}\";\n");
        assert_eq!(addresses(&File::new("userspace/flow/src/a.rs", &text)), []);
        assert_eq!(
            addresses(&File::new("userspace/flow/src/a/tests.rs", &text)).len(),
            1
        );
        let built = "let a = Ipv4Addr::new(9, 9, 9, 9);\n";
        assert_eq!(addresses(&File::new("tests/e2e/src/a.rs", built)).len(), 1);
        let built = "let a = Ipv4Addr::new(192, 0, 2, 9);\n";
        assert_eq!(addresses(&File::new("tests/e2e/src/a.rs", built)), []);
    }
}
