//! How much of everything is done.

/// The size of each measurement.
#[derive(Debug, Clone)]
pub(crate) struct Effort {
    /// How often the paths take turns.
    pub(crate) rounds: usize,
    /// Seconds of a run of wrk or pgbench.
    pub(crate) seconds: u64,
    /// Bytes of a bulk stream.
    pub(crate) bulk: u64,
    /// Connections one by one.
    pub(crate) connects: usize,
    /// Connections from eight threads.
    pub(crate) connects_at_once: usize,
    /// Requests on one connection.
    pub(crate) requests: usize,
    /// Downloads of the 8 MiB body.
    pub(crate) downloads: u32,
    /// Programs that are started.
    pub(crate) spawns: u32,
    /// Idle flows at once, rising.
    pub(crate) flows: Vec<usize>,
}

impl Effort {
    /// For numbers that are worth reading: about 15 minutes for everything.
    pub(crate) fn full() -> Self {
        Self {
            rounds: 5,
            seconds: 3,
            bulk: 4 << 30,
            connects: 3_000,
            connects_at_once: 16_000,
            requests: 20_000,
            downloads: 32,
            spawns: 3_000,
            flows: vec![1_000, 5_000, 10_000],
        }
    }

    /// To see whether everything works: about a minute.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 2,
            seconds: 1,
            bulk: 256 << 20,
            connects: 200,
            connects_at_once: 800,
            requests: 1_000,
            downloads: 4,
            spawns: 200,
            flows: vec![200, 400],
        }
    }
}
