use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::args::Daemon as Options;
use crate::environment;
use crate::paper::{Paint, eprint, look, one_line, print};
use crate::source::Daemon;

pub(crate) fn run(state: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    log_to_stderr("info");
    if options.unload {
        sluice_daemon::unload(state)?;
        eprint("nothing of sluice is in force in the kernel any more\n");
    } else {
        sluice_daemon::serve(options.config.as_deref(), state)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn reload(state: &Path) -> anyhow::Result<ExitCode> {
    let daemon = Daemon::find(state)?;
    let policies = daemon.wait(daemon.client.reload())?;
    let paint = Paint::of_stdout();
    let lines = policies.iter().map(|policy| {
        let digest = paint.on(look::DIM, &one_line(&policy.digest));
        format!("{}  {digest}\n", one_line(&policy.policy))
    });
    print(&lines.collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// What the daemon part logs goes to standard error, from `unless_set` on.
pub(crate) fn log_to_stderr(unless_set: &str) {
    let filter = EnvFilter::new(environment::log_filter(unless_set));
    let colours = std::io::stderr().is_terminal() && environment::colours_wanted();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours);
    // There is one already only where a test has set it.
    let _ = log.with_writer(std::io::stderr).try_init();
}
