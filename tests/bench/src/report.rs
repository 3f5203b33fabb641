//! What a scenario found, for a person and for a program.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::findings::{Findings, Series};
use crate::goal::DIRECT;
use crate::stats::{median, paired_ratio, spread};
use crate::table::{aligned, number};

/// The tables of one scenario.
pub(crate) fn text(findings: &Findings) -> String {
    let mut text = format!("\n{}\n\n{}", findings.scenario, measured(findings));
    if !findings.goals.is_empty() {
        text.push('\n');
        text.push_str(&goals(findings));
    }
    for failure in &findings.failures {
        let (case, path, why) = (&failure.case, failure.path, &failure.why);
        text.push_str(&format!("\nFAILED  {case}, {path}: {why}\n"));
    }
    for gap in &findings.gaps {
        text.push_str(&format!("\nnot measured  {gap}\n"));
    }
    text
}

fn measured(findings: &Findings) -> String {
    let head = ["case", "metric", "path", "median", "spread", "of direct"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut before: Option<&Series> = None;
    for series in in_order(findings) {
        let same_case = before.is_some_and(|b| b.case == series.case);
        let same_metric = same_case && before.is_some_and(|b| b.metric == series.metric);
        let once = |same: bool, text: String| if same { String::new() } else { text };
        let metric = format!("{}, {}", series.metric.name, series.metric.unit);
        let percent = spread(&series.values).map(|spread| format!("{:.0} %", spread * 100.0));
        rows.push(vec![
            once(same_case, series.case.clone()),
            once(same_metric, metric),
            series.path.to_owned(),
            median(&series.values).map(number).unwrap_or_default(),
            percent.unwrap_or_default(),
            of_direct(findings, series)
                .map(|ratio| format!("{ratio:.2}"))
                .unwrap_or_default(),
        ]);
        before = Some(series);
    }
    aligned(&rows, 3)
}

/// Cases as they came, in each the metrics as they came, in each the paths as they came.
fn in_order(findings: &Findings) -> Vec<&Series> {
    let place = |series: &Series| {
        let first = |same: &dyn Fn(&Series) -> bool| findings.series.iter().position(same);
        let case = first(&|other| other.case == series.case);
        let metric = first(&|o| o.case == series.case && o.metric == series.metric);
        (case, metric)
    };
    let mut series: Vec<&Series> = findings.series.iter().collect();
    series.sort_by_key(|series| place(series));
    series
}

fn of_direct(findings: &Findings, series: &Series) -> Option<f64> {
    let base = findings.values(&series.case, series.metric.name, DIRECT);
    paired_ratio(&series.values, base)
}

fn goals(findings: &Findings) -> String {
    let head = ["goal", "", "", "asked", "measured", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for goal in &findings.goals {
        rows.push(vec![
            goal.case.to_owned(),
            goal.metric.to_owned(),
            goal.path.to_owned(),
            goal.asked(),
            goal.measured(findings).map(number).unwrap_or_default(),
            goal.standing(findings).word().to_owned(),
        ]);
    }
    aligned(&rows, 4)
}

/// The same as JSON.
pub(crate) fn value(findings: &Findings) -> Value {
    let series = in_order(findings).into_iter().map(|series| {
        json!({
            "case": series.case,
            "metric": series.metric.name,
            "unit": series.metric.unit,
            "path": series.path,
            "rounds": series.values,
            "median": median(&series.values),
            "spread": spread(&series.values),
            "of_direct": of_direct(findings, series),
        })
    });
    let goals = findings.goals.iter().map(|goal| {
        json!({
            "case": goal.case,
            "metric": goal.metric,
            "path": goal.path,
            "asked": goal.asked(),
            "measured": goal.measured(findings),
            "standing": goal.standing(findings).word(),
        })
    });
    let failures = findings
        .failures
        .iter()
        .map(|failure| json!({ "case": failure.case, "path": failure.path, "why": failure.why }));
    json!({
        "scenario": findings.scenario,
        "series": series.collect::<Vec<_>>(),
        "goals": goals.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "not_measured": findings.gaps,
    })
}

/// Writes JSON. What root writes belongs to whom the folder belongs to: the next build must be
/// able to remove it.
pub(crate) fn write(file: &Path, value: &Value) -> anyhow::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let existing = folder.ancestors().find(|folder| folder.is_dir());
    let owner = existing.map(std::fs::metadata).transpose()?;
    std::fs::create_dir_all(folder)?;
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    if let Some(owner) = owner.filter(|_| nix::unistd::geteuid().is_root()) {
        for path in [folder, file] {
            chown(path, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Metric;
    use crate::goal::{Against, Bound, Goal};

    fn findings() -> Findings {
        const RATE: Metric = Metric::new("rate", "GB/s");
        const CPU: Metric = Metric::new("CPU", "s/GB");
        let goal = Goal::new("up", "rate", Against::Ratio(DIRECT), Bound::AtLeast(0.65));
        let mut findings = Findings::new("bulk", vec![goal]);
        for (path, values) in [("direct", [10.0, 8.0]), ("sluice", [7.0, 5.6])] {
            for value in values {
                findings.add("up", RATE, path, value);
                if path == "sluice" {
                    findings.add("up", CPU, path, 0.08);
                }
            }
        }
        findings.fail("up", "nginx", &anyhow::anyhow!("gone"));
        findings.gap("TLS: not yet");
        findings
    }

    #[test]
    fn a_person_reads_tables() {
        assert_eq!(
            text(&findings()),
            "\nbulk\n\n\
             case  metric      path    median  spread  of direct\n\
             up    rate, GB/s  direct    9.00    22 %       1.00\n\
             \u{20}                 sluice    6.30    22 %       0.70\n\
             \u{20}     CPU, s/GB   sluice   0.080     0 %\n\
             \n\
             goal                asked                     measured\n\
             up    rate  sluice  at least 0.650 of direct     0.700  met\n\
             \nFAILED  up, nginx: gone\n\
             \nnot measured  TLS: not yet\n"
        );
    }

    #[test]
    fn a_program_reads_json() {
        let value = value(&findings());
        assert_eq!(value["series"][1]["of_direct"], json!(0.7));
        assert_eq!(value["series"][0]["rounds"], json!([10.0, 8.0]));
        assert_eq!(value["goals"][0]["standing"], "met");
        assert_eq!(value["failures"][0]["path"], "nginx");
        assert_eq!(value["not_measured"][0], "TLS: not yet");
    }

    #[test]
    fn a_file_is_written_where_no_folder_was() {
        let scratch = sluice_harness::Scratch::new().unwrap();
        let file = scratch.path().join("a/b/c.json");
        write(&file, &json!({ "x": 1 })).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({ "x": 1 })
        );
    }
}
