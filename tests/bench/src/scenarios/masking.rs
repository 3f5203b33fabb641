//! Large masked bodies through the gate, and the scanner by itself.

use super::http::{MASKED, Origin};
use super::programs;
use crate::effort::Effort;
use crate::findings::{Findings, Metric};
use crate::goal::{Against, Bound, Goal};
use crate::stage::{CPU_A_GB, Load, Stage, client, read_client};

const RATE: Metric = Metric::new("rate", "MB/s");
const DOWNLOAD: &str = "8 MiB JSON bodies";
const SCANNER: &str = "scanner: http json secret Text";
/// What the study's scanner reached, MB/s a core.
const GOAL: f64 = 650.0;

pub(super) fn run(effort: &Effort) -> anyhow::Result<Findings> {
    let goals = vec![
        Goal::new(SCANNER, RATE.name, Against::Nothing, Bound::AtLeast(GOAL)),
        // The same by what the gate spends: reading and writing the sockets is in it, too.
        Goal::new(
            DOWNLOAD,
            CPU_A_GB.name,
            Against::Nothing,
            Bound::AtMost(1000.0 / GOAL),
        )
        .of(MASKED),
    ];
    let mut findings = Findings::new("masking", goals);
    let origin = Origin::start()?;
    let mut stage: Stage = origin.stage(&[])?;
    let load = Load {
        case: DOWNLOAD,
        command: &|path| {
            let (address, count) = (path.address.to_string(), effort.downloads.to_string());
            client(&["get", &address, "/large.json", &count])
        },
        read: &|out| read_client(out, &[("rate", RATE)]),
        cpu: CPU_A_GB,
    };
    stage.rounds(&mut findings, effort.rounds, &load)?;
    drop(stage);
    scanner(&mut findings)?;
    Ok(findings)
}

fn scanner(findings: &mut Findings) -> anyhow::Result<()> {
    let Some(out) = programs::run("throughput", "sluice-masking", findings)? else {
        return Ok(());
    };
    for (name, rate) in rates(&out) {
        findings.add(&format!("scanner: {name}"), RATE, crate::goal::SLUICE, rate);
    }
    Ok(())
}

/// Lines of the form `http json  secret  Text:   680 MB/s, 0 hits`.
fn rates(out: &str) -> Vec<(String, f64)> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let (rate, _) = rest.trim().split_once(" MB/s")?;
        Some((name, rate.parse().ok()?))
    };
    out.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scanner_is_read() {
        let out = "http json  secret  Text:   680 MB/s, 0 hits\nsql        all     Text:  1200 MB/s, 3 hits\nx: y\n";
        assert_eq!(
            rates(out),
            [
                ("http json secret Text".to_owned(), 680.0),
                ("sql all Text".to_owned(), 1200.0)
            ]
        );
        assert!(SCANNER.ends_with(&rates(out)[0].0));
    }
}
