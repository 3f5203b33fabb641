//! Reads `/proc/self/mountinfo` (proc(5)): where cgroup v2 is.

use std::path::{Path, PathBuf};

use crate::error::CaptureError;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Where the root of cgroup v2 is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` on a host
/// that still has version 1 controllers.
pub(crate) fn cgroup_root() -> Result<PathBuf, CaptureError> {
    let text = std::fs::read_to_string(MOUNTINFO)
        .map_err(CaptureError::host("could not read the mounts", MOUNTINFO))?;
    cgroup2_of(&text).ok_or_else(|| CaptureError::Kernel {
        what: "a mount of cgroup v2".to_owned(),
        do_next: "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified",
    })
}

/// The mount point of the first mount of the whole cgroup v2 tree.
fn cgroup2_of(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| {
        let (fields, tail) = line.split_once(" - ")?;
        if tail.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        (root == "/").then(|| PathBuf::from(unescaped(point)))
    })
}

/// Whether a file system is mounted exactly at `path`.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let text = std::fs::read_to_string(MOUNTINFO).unwrap_or_default();
    points(&text).any(|point| Path::new(&point) == path)
}

fn points(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescaped(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\')
            .then(|| tail.get(..3).and_then(octal))
            .flatten();
        match code {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw
";

    #[test]
    fn finds_cgroup2() {
        let unified = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let part = "29 23 0:26 /system.slice /mnt rw - cgroup2 cgroup2 rw\n";
        for (text, want) in [
            (HYBRID, Some("/sys/fs/cgroup/unified")),
            (unified, Some("/sys/fs/cgroup")),
            (part, None),
            ("", None),
            ("garbage", None),
            (" - cgroup2", None),
        ] {
            assert_eq!(cgroup2_of(text), want.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn cut_anywhere_it_does_not_panic() {
        for end in 0..HYBRID.len() {
            let _ = cgroup2_of(HYBRID.get(..end).unwrap());
        }
    }

    #[test]
    fn escapes_are_undone() {
        for (field, want) in [
            ("/a\\040b", "/a b"),
            ("/a\\134b", "/a\\b"),
            ("/a\\04", "/a\\04"),
            ("/a\\999", "/a\\999"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescaped(field), want);
        }
    }

    #[test]
    fn mount_points_are_the_fifth_field() {
        let all: Vec<_> = points(HYBRID).collect();
        assert_eq!(
            all,
            [
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/memory",
                "/sys/fs/cgroup/unified"
            ]
        );
    }
}
