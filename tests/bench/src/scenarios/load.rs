//! What wrk and pgbench print.

use anyhow::{Context as _, bail};

/// Requests a second, and how many requests were answered. An answer that is no success, or a
/// socket that failed, makes the run worthless: a refusal is faster than an answer.
pub(super) fn wrk(out: &str) -> anyhow::Result<(f64, f64)> {
    if let Some(bad) = out
        .lines()
        .find(|line| line.contains("Non-2xx") || line.contains("Socket errors"))
    {
        bail!("wrk: {}", bad.trim());
    }
    let rate = after(out, "Requests/sec:").context("wrk printed no Requests/sec")?;
    let done = out
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok());
    Ok((rate, done.context("wrk printed no count")?))
}

/// Transactions a second without connecting, and how many were done.
pub(super) fn pgbench(out: &str) -> anyhow::Result<(f64, f64)> {
    let failed = after(out, "number of failed transactions:").unwrap_or(0.0);
    if failed > 0.0 {
        bail!("pgbench: {failed} transactions failed");
    }
    let rate = after(out, "tps =").context("pgbench printed no tps")?;
    let done = after(out, "number of transactions actually processed:");
    Ok((rate, done.context("pgbench printed no count")?))
}

/// The number behind a label.
fn after(out: &str, label: &str) -> Option<f64> {
    let rest = out
        .lines()
        .find_map(|line| line.trim().strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 1s test @ http://127.9.9.9:1/\n  2 threads and 32 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.02ms    1.61ms  21.60ms\n  \
        31234 requests in 1.10s, 35.96MB read\nRequests/sec:  28394.55\nTransfer/sec:     32.69MB\n";

    const PGBENCH: &str = "transaction type: <builtin: select only>\nscaling factor: 1\n\
        number of transactions actually processed: 14321\nnumber of failed transactions: 0 (0.000%)\n\
        latency average = 0.069 ms\ninitial connection time = 3.1 ms\n\
        tps = 14388.551041 (without initial connection time)\n";

    #[test]
    fn wrk_is_read() {
        assert_eq!(wrk(WRK).unwrap(), (28394.55, 31234.0));
        assert!(wrk("").is_err());
    }

    #[test]
    fn refusals_make_a_run_of_wrk_worthless() {
        for line in [
            "  Non-2xx or 3xx responses: 1",
            "  Socket errors: connect 0, read 1, write 0, timeout 0",
        ] {
            let error = wrk(&format!("{WRK}{line}\n")).unwrap_err();
            assert!(error.to_string().contains(line.trim()), "{error}");
        }
    }

    #[test]
    fn pgbench_is_read() {
        assert_eq!(pgbench(PGBENCH).unwrap(), (14388.551041, 14321.0));
        assert!(pgbench("").is_err());
        let failed = PGBENCH.replace("transactions: 0", "transactions: 3");
        assert!(pgbench(&failed).unwrap_err().to_string().contains('3'));
    }
}
