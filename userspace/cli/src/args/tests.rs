use clap::{CommandFactory, Parser};
use jiff::Timestamp;

use super::sessions::moment_before;
use super::{Cli, Command, SessionsCommand};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn everything_behind_the_dashes_is_the_job() {
    let cli = parse("sluice run --policy p.yaml --set ref=main -- sh -c --policy").unwrap();
    let Command::Run(run) = cli.command else {
        panic!("{cli:?}");
    };
    assert_eq!(run.command, ["sh", "-c", "--policy"]);
    assert_eq!(run.policies.len(), 1);
    assert_eq!(run.labels()["ref"], "main");
}

#[test]
fn a_value_may_hold_an_equals_sign_and_may_be_empty() {
    let cli = parse("sluice run --set a=b=c --set d= -- true").unwrap();
    let Command::Run(run) = cli.command else {
        panic!("{cli:?}");
    };
    assert_eq!(run.labels()["a"], "b=c");
    assert_eq!(run.labels()["d"], "");
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    for line in [
        "sluice",
        "sluice run",
        "sluice run --",
        "sluice run true",
        "sluice run --set x -- true",
        "sluice run --set =x -- true",
        "sluice sessions list --verdict maybe",
        "sluice sessions list --since yesterday",
        "sluice sessions list --limit -1",
        "sluice approvals approve",
        "sluice policy check",
        "sluice daemon --unload --config x",
        "sluice completions klingon",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }
}

#[test]
fn the_state_directory_may_stand_on_either_side() {
    for line in [
        "sluice --state /s sessions list --json",
        "sluice sessions list --json --state /s",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.state, std::path::Path::new("/s"), "{line}");
        assert!(matches!(
            cli.command,
            Command::Sessions(SessionsCommand::List(_))
        ));
    }
    let cli = parse("sluice status").unwrap();
    assert_eq!(cli.state, std::path::Path::new("/var/lib/sluice"));
}

#[test]
fn moments_are_times_or_spans_before_now() {
    let now: Timestamp = "2026-11-20T13:00:00Z".parse().unwrap();
    for (text, want) in [
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
        ("2026-11-20T13:00:00+02:00", "2026-11-20T11:00:00Z"),
        ("2026-11-20 12:00:00Z", "2026-11-20T12:00:00Z"),
        ("2026-11-20 12:00:00", "2026-11-20T12:00:00Z"),
        ("2026-11-20", "2026-11-20T00:00:00Z"),
        ("10m", "2026-11-20T12:50:00Z"),
        ("2h 30m", "2026-11-20T10:30:00Z"),
        ("3d", "2026-11-17T13:00:00Z"),
    ] {
        let want: Timestamp = want.parse().unwrap();
        assert_eq!(moment_before(text, now), Ok(want), "{text}");
    }
    for text in ["", "yesterday", "10", "-"] {
        assert!(moment_before(text, now).is_err(), "{text}");
    }
}

#[test]
fn every_visible_command_says_what_it_does() {
    fn each(command: &clap::Command) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            assert!(sub.get_about().is_some(), "{}", sub.get_name());
            for argument in sub.get_arguments() {
                let help = argument.get_help();
                assert!(help.is_some(), "{} {}", sub.get_name(), argument.get_id());
            }
            each(sub);
        }
    }
    each(&Cli::command());
}
