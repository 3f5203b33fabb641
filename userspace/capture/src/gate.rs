//! The state map: who may pass, until when, and to which ports.

use std::collections::BTreeMap;
use std::time::Duration;

use aya::maps::{Array, MapData};
use nix::time::{ClockId, clock_gettime};
use sluice_abi::{STATE_OPEN_WHEN_DOWN, State};

use crate::error::CaptureError;
use crate::plain::Plain;

/// Where the daemon listens; 0 is nowhere, and members that need it are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listeners {
    /// TCP on 127.0.0.1: the proxy.
    pub proxy_v4: u16,
    /// TCP on ::1: the proxy.
    pub proxy_v6: u16,
    /// UDP on 127.0.0.1: the resolver.
    pub dns_v4: u16,
    /// UDP on ::1: the resolver.
    pub dns_v6: u16,
}

/// The one writer of the state map.
pub(crate) struct Gate {
    map: Array<MapData, Plain<State>>,
    state: State,
    /// Levels of the registered cgroups by id, for the deepest of them.
    levels: BTreeMap<u64, u32>,
    /// How deep an earlier instance looked: its runners may still be registered.
    inherited_depth: u32,
}

impl Gate {
    /// Takes the state over as an earlier instance left it.
    pub(crate) fn new(map: Array<MapData, Plain<State>>) -> Result<Self, CaptureError> {
        let Plain(state) = map.get(&0, 0).map_err(CaptureError::map("STATE"))?;
        let inherited_depth = state.runner_depth;
        Ok(Self {
            map,
            state,
            levels: BTreeMap::new(),
            inherited_depth,
        })
    }

    /// Makes the programs of one loading the ones that act, for a daemon in `netns`. The gate is
    /// closed then: an earlier instance's listeners are gone.
    pub(crate) fn take_over(
        &mut self,
        generation: u64,
        netns: u64,
        probe_job: u64,
        open_when_down: bool,
    ) -> Result<(), CaptureError> {
        let flags = if open_when_down {
            STATE_OPEN_WHEN_DOWN
        } else {
            0
        };
        // No deadline and no ports: until the new daemon listens, nobody is turned anywhere.
        let runner_depth = self.state.runner_depth;
        let fresh = State {
            generation,
            netns,
            probe_job,
            flags,
            runner_depth,
            ..State::default()
        };
        self.state = fresh;
        self.write()
    }

    /// Keeps the tracepoints of every loading from acting.
    pub(crate) fn rest(&mut self) -> Result<(), CaptureError> {
        self.state = State::default();
        self.write()
    }

    pub(crate) fn listen(&mut self, listeners: Listeners) -> Result<(), CaptureError> {
        self.state.proxy_v4 = listeners.proxy_v4;
        self.state.proxy_v6 = listeners.proxy_v6;
        self.state.dns_v4 = listeners.dns_v4;
        self.state.dns_v6 = listeners.dns_v6;
        self.write()
    }

    pub(crate) fn open_for(&mut self, time: Duration) -> Result<(), CaptureError> {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.state.deadline = monotonic_ns().saturating_add(time);
        self.write()
    }

    pub(crate) fn close(&mut self) -> Result<(), CaptureError> {
        self.state.deadline = 0;
        self.write()
    }

    pub(crate) fn is_open(&self) -> bool {
        monotonic_ns() <= self.state.deadline
    }

    pub(crate) fn runner_added(&mut self, id: u64, level: u32) -> Result<(), CaptureError> {
        self.levels.insert(id, level);
        self.write_depth()
    }

    pub(crate) fn runner_removed(&mut self, id: u64) -> Result<(), CaptureError> {
        self.levels.remove(&id);
        self.write_depth()
    }

    fn write_depth(&mut self) -> Result<(), CaptureError> {
        let deepest = self.levels.values().copied().max().unwrap_or(0);
        self.state.runner_depth = deepest.max(self.inherited_depth);
        self.write()
    }

    fn write(&mut self) -> Result<(), CaptureError> {
        self.map
            .set(0, Plain(self.state), 0)
            .map_err(CaptureError::map("STATE"))
    }
}

/// The clock of `bpf_ktime_get_ns`.
fn monotonic_ns() -> u64 {
    clock_ns(ClockId::CLOCK_MONOTONIC)
}

/// The clock of event times and process starts.
pub(crate) fn boot_ns() -> u64 {
    clock_ns(ClockId::CLOCK_BOOTTIME)
}

fn clock_ns(clock: ClockId) -> u64 {
    // Neither clock can fail on Linux; 0 is long ago, and a deadline long ago means: refuse.
    let Ok(now) = clock_gettime(clock) else {
        return 0;
    };
    u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX)
}
