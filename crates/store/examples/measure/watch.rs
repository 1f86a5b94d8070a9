//! Time and memory.

use std::fs;
use std::time::{Duration, Instant};

/// Time gone by, and time spent on a processor.
pub(super) struct Watch {
    pub(super) started: Instant,
    pub(super) busy: Duration,
}

impl Watch {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            busy: busy(),
        }
    }
}

impl std::fmt::Display for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let busy = busy().saturating_sub(self.busy);
        write!(f, "{:.1?} (busy {busy:.1?})", self.started.elapsed())
    }
}

/// What all threads have spent on processors.
pub(super) fn busy() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return Duration::ZERO;
    };
    let spent = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(spent).sum::<u64>())
}

/// Resident memory now and at most.
pub(super) fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        kilobytes
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
            / 1024
    };
    format!("resident {} MB (most {} MB)", line("VmRSS"), line("VmHWM"))
}
