use std::fs::File;
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};
use nix::sched::{CloneFlags, setns};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace with its loopback up, removed when it is dropped.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one.
    ///
    /// # Errors
    /// When `ip netns` cannot.
    pub fn new() -> anyhow::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sluice-{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A wire between two of them, the host's own network left alone: addresses of RFC 5737, /24.
    ///
    /// # Errors
    /// When `ip link` cannot.
    pub fn wire(&self, own: IpAddr, other: &Self, others: IpAddr) -> anyhow::Result<()> {
        let peer = ["peer", "name", "slw0", "netns", &other.name];
        let mut link = vec!["link", "add", "slw0", "netns", &self.name, "type", "veth"];
        link.extend(peer);
        ip(&link)?;
        for (name, address) in [(&self.name, own), (&other.name, others)] {
            ip(&[
                "-n",
                name,
                "addr",
                "add",
                &format!("{address}/24"),
                "dev",
                "slw0",
            ])?;
            ip(&["-n", name, "link", "set", "slw0", "up"])?;
        }
        Ok(())
    }

    /// Where it can be entered.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Does something in it, on a thread of its own.
    ///
    /// # Errors
    /// When it cannot be entered; and what the doing failed with.
    pub fn within<T: Send>(
        &self,
        what: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        within(&self.path(), what)
    }

    /// Dials from inside it.
    ///
    /// # Errors
    /// When nobody answers within two seconds, or says no.
    pub fn dial(&self, address: IpAddr, port: u16) -> anyhow::Result<TcpStream> {
        let patience = std::time::Duration::from_secs(2);
        self.within(|| {
            Ok(TcpStream::connect_timeout(
                &(address, port).into(),
                patience,
            )?)
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its end of a wire goes with it, and the other end with that one.
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// Does something in the network namespace at `path`, on a thread of its own.
pub(crate) fn within<T: Send>(
    path: &Path,
    what: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let namespace = File::open(path).context("the namespace is gone")?;
    std::thread::scope(|scope| {
        let inside = scope.spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot enter the namespace")?;
            what()
        });
        match inside.join() {
            Ok(done) => done,
            Err(_) => bail!("panicked in the namespace"),
        }
    })
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.context("cannot run ip; cargo xtask setup installs it")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {said}", arguments.join(" "));
    }
    Ok(())
}
