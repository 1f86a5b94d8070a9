//! What this process itself has used: the load generator's own cost.

use std::time::Duration;

/// User and system time of this process so far, all threads together. `None` where `/proc` does not tell.
pub fn process_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = cpu_ticks(&stat)?;
    let per_second = rustix::param::clock_ticks_per_second();
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(per_second.max(1));
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// utime + stime, the 14th and 15th field. The second one, the program's name, may hold blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_right_fields_are_read() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 300 50 0 0 20 0 1 0 7 8 9";
        assert_eq!(cpu_ticks(stat), Some(350));
        assert_eq!(cpu_ticks("nothing"), None);
    }

    #[test]
    fn this_process_is_measured() {
        let before = process_time().unwrap();
        let mut sum = 0u64;
        while process_time().unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
        assert!(process_time().unwrap() > before, "{sum}");
    }
}
