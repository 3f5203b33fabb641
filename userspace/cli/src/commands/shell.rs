use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::paper::print;

pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut script);
    print(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(directory: &Path) -> anyhow::Result<ExitCode> {
    let failed = || format!("cannot write man pages to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), directory).with_context(failed)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_and_every_command_a_page() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sluice", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("approvals"));
        }
        let directory = tempfile::tempdir().unwrap();
        man(directory.path()).unwrap();
        for page in ["sluice.1", "sluice-run.1", "sluice-sessions-list.1"] {
            let text = std::fs::read_to_string(directory.path().join(page)).unwrap();
            assert!(text.contains("sluice"), "{page}");
        }
        let hidden = directory.path().join("sluice-enter.1");
        assert!(!hidden.exists(), "hidden commands have no page");
    }
}
