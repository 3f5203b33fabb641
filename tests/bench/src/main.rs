//! Speed and memory, side by side with peers, as ratios.
//!
//! `cargo xtask bench` builds this program and sluice in release, and runs it as root from the
//! clone's root. Real servers listen on loopback; the load goes to them directly, through each
//! peer, and as a job through sluice, taking turns.

mod agent;
mod client;
mod effort;
mod findings;
mod goal;
mod machine;
mod options;
mod peers;
mod policy;
mod proc;
mod report;
mod scenarios;
mod server;
mod stage;
mod stats;
mod table;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};

use crate::machine::Congestion;
use crate::options::{Options, USAGE};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("client") => client::run(arguments.get(1..).unwrap_or_default()),
        Some("agent") => agent::serve(),
        Some("--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bench(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    let names: Vec<&str> = scenarios::ALL
        .iter()
        .map(|scenario| scenario.name)
        .collect();
    let options = Options::read(arguments, &names)?;
    if let Some(reason) = sluice_harness::cannot_capture() {
        bail!("cannot measure here: {reason}");
    }
    machine::end_on_signals()?;
    let sluice = sluice_harness::binary()?;
    machine::open_files()?;
    let _alone = machine::alone()?;
    let congestion = options
        .congestion
        .as_deref()
        .map(Congestion::set)
        .transpose()?;
    let machine = machine::describe();
    introduce(&options, &sluice, &machine);

    let mut all = Vec::new();
    let mut failed = Vec::new();
    for scenario in scenarios::ALL.iter().filter(|s| options.wants(s.name)) {
        machine::go_on()?;
        eprintln!("measuring {} ...", scenario.name);
        let run = (scenario.run)(&options.effort).and_then(|findings| {
            congestion.as_ref().map_or(Ok(()), Congestion::stayed)?;
            Ok(findings)
        });
        match run {
            Ok(findings) => {
                print!("{}", report::text(&findings));
                failed.extend(
                    findings
                        .failures
                        .iter()
                        .map(|f| format!("{}, {}", f.case, f.path)),
                );
                let mut value = report::value(&findings);
                describe(&mut value, &options, &machine);
                all.push(value);
            }
            Err(error) => {
                println!("\n{}\n\nFAILED  {error:#}", scenario.name);
                failed.push(scenario.name.to_owned());
            }
        }
    }
    machine::go_on()?;
    for gap in scenarios::GAPS {
        println!("\nnot measured  {gap}");
    }
    keep(&options, &machine, &all)?;
    if !failed.is_empty() {
        bail!("could not be measured: {}", failed.join("; "));
    }
    Ok(())
}

fn introduce(options: &Options, sluice: &Path, machine: &Value) {
    let text = |key: &str| machine.get(key).map(Value::to_string).unwrap_or_default();
    println!("sluice     {}", sluice.display());
    println!(
        "machine    {} cores, {}, Linux {}, congestion control {}",
        text("cores"),
        text("cpu"),
        text("kernel"),
        text("congestion")
    );
    println!(
        "method     {} rounds in turn; medians; spread is (largest - smallest) / median; \
         ratios are paired by round;\n           load, server and proxy share the cores; under 8 % is no evidence",
        options.effort.rounds
    );
    println!(
        "           sluice has lineage, a policy of {} rules and the record on; masking where the path says so",
        policy::RULES
    );
    let load = machine::load();
    if load > 0.5 {
        println!(
            "CAUTION    the machine had a load of {load:.2} before: these numbers are no evidence"
        );
    }
    if options.quick {
        println!("CAUTION    --quick shows that everything works; its numbers mean little");
    }
}

fn describe(value: &mut Value, options: &Options, machine: &Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert("machine".to_owned(), machine.clone());
        object.insert("rounds".to_owned(), json!(options.effort.rounds));
        object.insert("quick".to_owned(), json!(options.quick));
    }
}

fn keep(options: &Options, machine: &Value, all: &[Value]) -> anyhow::Result<()> {
    if let Some(file) = &options.json {
        let value = json!({
            "machine": machine,
            "scenarios": all,
            "not_measured": scenarios::GAPS,
        });
        report::write(file, &value)?;
        println!("\nwritten    {}", file.display());
        return Ok(());
    }
    for value in all {
        let name = value
            .get("scenario")
            .and_then(Value::as_str)
            .unwrap_or("unnamed");
        let file = PathBuf::from("target/bench").join(format!("{name}.json"));
        report::write(&file, value)?;
        println!("\nwritten    {}", file.display());
    }
    Ok(())
}
