//! What a running process has used, as `/proc` tells.

use std::time::Duration;

/// A process, by its id.
pub(super) struct Process(pub(super) u32);

/// Ticks of `/proc/PID/stat` a second: what Linux shows to programs is fixed at 100.
const TICKS: u64 = 100;

impl Process {
    /// User and system time so far, all threads together.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        let path = format!("/proc/{}/stat", self.0);
        let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        ticks(&stat)
            .map(|ticks| Duration::from_millis(ticks.saturating_mul(1000 / TICKS)))
            .ok_or_else(|| format!("{path} does not tell user and system time"))
    }

    /// Resident memory in MB.
    pub(super) fn resident(&self) -> Result<f64, String> {
        let path = format!("/proc/{}/status", self.0);
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok())
            .map(|kilobytes| kilobytes / 1000.0)
            .ok_or_else(|| format!("{path} does not tell resident memory"))
    }
}

/// utime + stime, the 14th and 15th field; the second one, the program's name, may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_right_fields_are_read() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 300 50 0 0 20 0 1 0 7 8 9";
        assert_eq!(ticks(stat), Some(350));
        assert_eq!(ticks("nothing"), None);
        assert!(Process(std::process::id()).resident().unwrap() > 0.1);
    }
}
