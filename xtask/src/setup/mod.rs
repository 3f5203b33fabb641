//! Set-up: what this project needs of a machine, and how to get what is missing.
//!
//! To add something, add a row to `THINGS`. Nothing is installed twice, and nothing that is
//! here already is touched.

pub(crate) mod debian;
mod python;
mod rust;

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::Run;
use crate::repo::Repo;

/// What somebody wants to do, which decides what must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Build,
    Demo,
    Test,
    Bench,
    Everything,
}

/// How much to say about what is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    EachThing,
    WhatIsDone,
}

/// One thing that a machine must have.
#[derive(Debug)]
struct Thing {
    name: &'static str,
    /// What it is for, in half a line.
    purpose: &'static str,
    /// Who needs it; `Everything` is understood.
    needed_for: &'static [Need],
    source: Source,
}

/// Where a thing comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A Debian package of this name.
    Debian,
    /// A component of the pinned toolchain; the file shows that it is there.
    Component { file: &'static str },
    /// A program from crates.io, built into `.tools`.
    Cargo(rust::Tool),
    /// Python packages in `.tools/venv`.
    Python,
}

const BUILD: &[Need] = &[Need::Build, Need::Demo, Need::Test, Need::Bench];
const PEERS: &[Need] = &[Need::Demo, Need::Test, Need::Bench];
const TESTS: &[Need] = &[Need::Test];
const BENCHES: &[Need] = &[Need::Bench];
const TESTS_AND_BENCHES: &[Need] = &[Need::Test, Need::Bench];

const fn debian(name: &'static str, needed_for: &'static [Need], purpose: &'static str) -> Thing {
    Thing {
        name,
        purpose,
        needed_for,
        source: Source::Debian,
    }
}

/// Everything, in the order in which it is installed.
const THINGS: &[Thing] = &[
    debian(
        "ca-certificates",
        BUILD,
        "roots that downloads are checked against",
    ),
    debian(
        "git",
        BUILD,
        "lists the files that tidy checks; a client in tests",
    ),
    debian(
        "gcc",
        BUILD,
        "C compiler: linker driver, and for zstd and blake3",
    ),
    debian(
        "g++",
        BUILD,
        "C++ compiler: bpf-linker's LLVM glue, libFuzzer",
    ),
    debian(
        "llvm-22-dev",
        BUILD,
        "LLVM that bpf-linker makes kernel programs with",
    ),
    debian(
        "iproute2",
        PEERS,
        "ip and ss: network namespaces and sockets in tests",
    ),
    debian("curl", PEERS, "HTTP client of the demo and the tests"),
    debian(
        "wget",
        PEERS,
        "a second HTTP client, with habits of its own",
    ),
    debian("postgresql", PEERS, "the real database behind the gate"),
    debian("postgresql-client-common", PEERS, "psql and pgbench"),
    debian("python3-venv", PEERS, "a place for the Python clients"),
    debian("nginx-light", PEERS, "the real HTTP server behind the gate"),
    debian(
        "libnginx-mod-stream",
        BENCHES,
        "nginx as a TCP proxy, a peer of the bench",
    ),
    debian("haproxy", TESTS_AND_BENCHES, "a proxy to compare with"),
    debian(
        "pgbouncer",
        TESTS_AND_BENCHES,
        "a PostgreSQL proxy to compare with",
    ),
    debian("wrk", BENCHES, "HTTP load of the bench"),
    Thing {
        name: "rustfmt",
        purpose: "formatting, checked by the gate",
        needed_for: TESTS,
        source: Source::Component {
            file: "bin/cargo-fmt",
        },
    },
    Thing {
        name: "clippy",
        purpose: "lints, checked by the gate",
        needed_for: TESTS,
        source: Source::Component {
            file: "bin/cargo-clippy",
        },
    },
    Thing {
        name: "rust-src",
        purpose: "source of `core`, built for the kernel's machine",
        needed_for: BUILD,
        source: Source::Component {
            file: "lib/rustlib/src/rust/library/core/src/lib.rs",
        },
    },
    Thing {
        name: "bpf-linker",
        purpose: "links the kernel programs (about a minute)",
        needed_for: BUILD,
        source: Source::Cargo(rust::Tool {
            version: "0.13.0",
            args: &["--no-default-features", "--features", "llvm-22"],
            env: &[("LLVM_PREFIX", "/usr/lib/llvm-22")],
        }),
    },
    Thing {
        name: "cargo-fuzz",
        purpose: "builds the fuzz targets (half a minute)",
        needed_for: TESTS,
        source: Source::Cargo(rust::Tool {
            version: "0.13.2",
            args: rust::QUICK,
            env: &[],
        }),
    },
    Thing {
        name: "cargo-deny",
        purpose: "checks licences, bans and sources (about a minute)",
        needed_for: TESTS,
        source: Source::Cargo(rust::Tool {
            version: "0.20.2",
            args: rust::QUICK,
            env: &[],
        }),
    },
    Thing {
        name: "Python clients",
        purpose: "psycopg and requests: clients that scripts really use",
        needed_for: PEERS,
        source: Source::Python,
    },
];

impl Thing {
    fn is_needed_for(&self, need: Need) -> bool {
        need == Need::Everything || self.needed_for.contains(&need)
    }
}

/// What the machine has, asked once.
struct Present {
    packages: Vec<String>,
    sysroot: std::path::PathBuf,
    tools: rust::Installed,
    python: bool,
}

impl Present {
    fn ask(repo: &Repo) -> Result<Self> {
        let names: Vec<_> = debian_names(THINGS.iter().collect());
        Ok(Self {
            packages: debian::installed(&names)?,
            sysroot: rust::sysroot(repo)?,
            tools: rust::Installed::read(repo)?,
            python: python::is_ready(repo),
        })
    }

    fn has(&self, thing: &Thing) -> bool {
        match thing.source {
            Source::Debian => self.packages.iter().any(|name| name == thing.name),
            Source::Component { file } => self.sysroot.join(file).is_file(),
            Source::Cargo(tool) => self.tools.has(thing.name, tool.version),
            Source::Python => self.python,
        }
    }
}

fn debian_names(things: Vec<&Thing>) -> Vec<&'static str> {
    let packages = things
        .into_iter()
        .filter(|thing| thing.source == Source::Debian);
    packages.map(|thing| thing.name).collect()
}

/// Install what `need` needs and is not here.
pub(crate) fn run(repo: &Repo, need: Need, show: Show) -> Result<()> {
    let present = Present::ask(repo)?;
    let needed: Vec<_> = THINGS
        .iter()
        .filter(|thing| thing.is_needed_for(need))
        .collect();
    let missing: Vec<_> = needed
        .iter()
        .copied()
        .filter(|thing| !present.has(thing))
        .collect();
    for thing in &needed {
        let absent = missing.iter().any(|other| other.name == thing.name);
        if absent || show == Show::EachThing {
            println!("{}", line(thing, absent));
        }
    }
    install(repo, &missing)?;
    if show == Show::EachThing || !missing.is_empty() {
        println!(
            "setup: {} of {} things were here, {} installed",
            needed.len() - missing.len(),
            needed.len(),
            missing.len()
        );
    }
    Ok(())
}

fn line(thing: &Thing, absent: bool) -> String {
    let mut line = String::new();
    let state = if absent { "to install" } else { "here" };
    // Writing to a string cannot fail.
    let _ = write!(line, "  {state:10}  {:24}  {}", thing.name, thing.purpose);
    line
}

fn install(repo: &Repo, missing: &[&'static Thing]) -> Result<()> {
    let packages = debian_names(missing.to_vec());
    if !packages.is_empty() {
        announced(&format!("Debian packages: {}", packages.join(" ")), || {
            debian::install(repo, &packages)
        })?;
    }
    for thing in missing {
        match thing.source {
            Source::Debian => {}
            Source::Component { .. } => announced(thing.name, || {
                Run::new("rustup", repo.root())
                    .args(["component", "add", thing.name])
                    .stream()
            })?,
            Source::Cargo(tool) => announced(thing.name, || tool.install(repo, thing.name))?,
            Source::Python => announced(thing.name, || python::install(repo))?,
        }
    }
    Ok(())
}

fn announced(what: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("setup: installing {what}");
    let started = Instant::now();
    install().with_context(|| format!("setup could not install {what}"))?;
    println!(
        "setup: {what}: done in {:.0} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_named_once_and_says_what_it_is_for() {
        for (index, thing) in THINGS.iter().enumerate() {
            assert!(!thing.purpose.is_empty(), "{}", thing.name);
            assert!(!thing.needed_for.is_empty(), "{}", thing.name);
            assert!(THINGS[..index].iter().all(|other| other.name != thing.name));
            assert!(line(thing, true).len() < 100, "{}", line(thing, true));
        }
    }

    #[test]
    fn a_build_needs_the_kernel_tools_and_no_servers() {
        let build: Vec<_> = THINGS
            .iter()
            .filter(|thing| thing.is_needed_for(Need::Build))
            .collect();
        for name in ["llvm-22-dev", "bpf-linker", "rust-src"] {
            assert!(build.iter().any(|thing| thing.name == name), "{name}");
        }
        assert!(
            build
                .iter()
                .all(|thing| !["postgresql", "wrk"].contains(&thing.name))
        );
    }

    #[test]
    fn everything_is_everything() {
        assert!(
            THINGS
                .iter()
                .all(|thing| thing.is_needed_for(Need::Everything))
        );
    }

    #[test]
    fn only_debian_packages_are_handed_to_apt() {
        let names = debian_names(THINGS.iter().collect());
        assert!(names.contains(&"postgresql"));
        assert!(!names.contains(&"bpf-linker"));
    }
}
