//! What can go wrong here, split by who has to do something about it.

use std::io;
use std::path::PathBuf;

/// Why the kernel side could not be set up or asked.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The kernel lacks something.
    #[error("this kernel lacks {what}: {do_next}")]
    Kernel {
        /// What.
        what: String,
        /// What to do.
        do_next: &'static str,
    },
    /// The kernel refused to load or attach a program.
    #[error(
        "the kernel refused {what}: {source}; sluice needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)"
    )]
    Refused {
        /// Which program or map.
        what: String,
        /// What aya says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map could not be read or written.
    #[error("map {map}: {source}")]
    Map {
        /// Which.
        map: &'static str,
        /// What aya says.
        source: aya::maps::MapError,
    },
    /// Something of the host could not be read, made or mounted.
    #[error("{what} ({}): {source}", path.display())]
    Host {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another instance owns the state directory.
    #[error("{} is in use by another sluice: stop it, or choose another --state", .0.display())]
    InUse(PathBuf),
    /// A cgroup is deeper than the kernel side looks.
    #[error("cgroup {} is {depth} levels deep; runners may be at most {max} deep", path.display())]
    TooDeep {
        /// Which.
        path: PathBuf,
        /// Its level below the root.
        depth: usize,
        /// The limit.
        max: u32,
    },
    /// A path is not one in the cgroup v2 tree.
    #[error("{} is not a cgroup below {}", path.display(), root.display())]
    NotACgroup {
        /// Which.
        path: PathBuf,
        /// Where cgroup v2 is mounted.
        root: PathBuf,
    },
}

impl CaptureError {
    /// For `map_err`: an operation on a path of the host failed.
    pub(crate) fn host(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Host { what, path, source }
    }

    /// For `map_err`: a map operation failed.
    pub(crate) fn map(map: &'static str) -> impl FnOnce(aya::maps::MapError) -> Self {
        move |source| Self::Map { map, source }
    }

    /// For `map_err`: the kernel refused a program.
    pub(crate) fn refused<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Refused {
            what,
            source: Box::new(source),
        }
    }
}
