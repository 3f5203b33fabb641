use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// `2026-11-20 13:05:12Z`; the date is what makes it sort and paste.
pub(crate) fn date_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `13:05:12.123`, UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S.%3f").to_string()
}

/// The end of an id: of a UUID of version 7 the start is a time, which neighbours share.
pub(crate) fn short_id(id: Uuid) -> String {
    let text = id.to_string();
    text.rsplit('-').next().unwrap_or(&text).to_owned()
}

/// `1 row`, `2 rows`.
pub(crate) fn count(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ if one.ends_with('y') => format!("{n} {}ies", one.trim_end_matches('y')),
        _ => format!("{n} {one}s"),
    }
}

/// `999 B`, `1.2 kB`, `3.4 MB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut value = n as f64;
    if n < 1000 {
        return format!("{n} B");
    }
    for unit in ["kB", "MB", "GB", "TB"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{value:.0} TB")
}

/// `350 ms`, `1.2 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`.
pub(crate) fn duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let two = |n: i64, big: &str, rest: i64, small: &str| match rest {
        0 => format!("{n} {big}"),
        _ => format!("{n} {big} {rest} {small}"),
    };
    match seconds {
        0 => format!("{} ms", length.as_millis().max(0)),
        1..10 => format!("{:.1} s", length.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts() {
        for (n, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1234, "1.2 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(bytes(n), want, "{n}");
        }
        assert_eq!(count(1, "query"), "1 query");
        assert_eq!(count(2, "query"), "2 queries");
        assert_eq!(count(0, "row"), "0 rows");
    }

    #[test]
    fn durations() {
        for (ms, want) in [
            (-5, "0 ms"),
            (350, "350 ms"),
            (1200, "1.2 s"),
            (59_900, "59 s"),
            (60_000, "1 min"),
            (125_000, "2 min 5 s"),
            (12_000_000, "3 h 20 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(ms)), want, "{ms}");
        }
    }

    #[test]
    fn an_id_is_short_at_its_end() {
        let id: Uuid = "0193a6b2-7c1e-7d3f-8a4b-9f86d0818840".parse().unwrap();
        assert_eq!(short_id(id), "9f86d0818840");
    }
}
