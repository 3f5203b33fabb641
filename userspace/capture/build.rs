//! Builds the kernel programs with a nested cargo, and hands the object to `src/object.rs`.
//!
//! The pinned stable toolchain builds them too: `RUSTC_BOOTSTRAP=1` lets it take `core` from
//! source for the target `bpfel-unknown-none`, and bpf-linker of `.tools/bin` links.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What `cargo xtask setup` puts there.
const LINKER: &str = ".tools/bin/bpf-linker";
/// Variables of the outer cargo that the nested one needs; all others that start with `CARGO` or
/// `RUST` would make it build for the wrong target, with the wrong flags, or through clippy.
const KEPT: [&str; 4] = ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUST_LOG"];
/// Prefixes of such variables.
const KEPT_PREFIXES: [&str; 5] = [
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "RUSTUP_",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            println!(
                "cargo::error=the kernel programs could not be built: {what}; run: cargo xtask setup"
            );
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let crate_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = crate_dir
        .join("../..")
        .canonicalize()
        .map_err(|e| e.to_string())?;
    let ebpf = root.join("ebpf");
    println!("cargo::rerun-if-changed={}", ebpf.display());
    println!("cargo::rerun-if-changed={}", root.join(LINKER).display());
    println!("cargo::rerun-if-changed=build.rs");

    let linker = root.join(LINKER);
    if !linker.is_file() {
        return Err(format!("{} is missing", linker.display()));
    }
    let target = PathBuf::from(variable("OUT_DIR")?).join("programs");
    let output = nested_cargo(&ebpf.join("programs"), &linker, &target)?
        .output()
        .map_err(|e| format!("cargo did not start: {e}"))?;
    if !output.status.success() {
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("cargo::warning={line}");
        }
        return Err(format!(
            "cargo in {} said {}",
            ebpf.display(),
            output.status
        ));
    }
    let object = target.join("bpfel-unknown-none/release/sluice-programs");
    println!("cargo::rustc-env=SLUICE_PROGRAMS={}", object.display());
    Ok(())
}

fn nested_cargo(programs: &Path, linker: &Path, target: &Path) -> Result<Command, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let leaks = name.starts_with("CARGO") || name.starts_with("RUST");
        let kept = KEPT.contains(&name) || KEPT_PREFIXES.iter().any(|p| name.starts_with(p));
        if leaks && !kept {
            cargo.env_remove(name);
        }
    }
    let flags = [
        format!("-Clinker={}", linker.display()),
        "-Clink-arg=--btf".to_owned(),
        "-Cdebuginfo=2".to_owned(),
    ];
    cargo
        .current_dir(programs)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .args(["build", "--release", "--locked", "-Z", "build-std=core"])
        .args(["--target", "bpfel-unknown-none", "--target-dir"])
        .arg(target);
    Ok(cargo)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
