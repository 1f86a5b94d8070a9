//! A million live entries: how much memory, and how long each takes beside ten thousand.
//!
//! In a process of its own, so that resident memory is that of the structure alone.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use challenge::{DeviceKey, RateWindow, ReplayKey, ReplayMemory};
use chrono::{DateTime, Duration, Utc};

const MILLION: u64 = 1_000_000;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// Spread like a digest.
fn key(n: u64) -> [u8; 16] {
    let mut mixed = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut key = [0; 16];
    for half in key.chunks_exact_mut(8) {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        half.copy_from_slice(&mixed.to_le_bytes());
    }
    key
}

fn resident_octets() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// Nanoseconds that this thread was on a processor: other programs matter less.
fn busy() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// A steady state: every request expires, looks, inserts; entries live for an hour.
fn nanoseconds_a_request(live: u64, requests: u64) -> f64 {
    let mut memory = ReplayMemory::new();
    let second = |n: u64| (n * 3_600 / live) as i64;
    for n in 0..live {
        assert!(memory.insert(ReplayKey(key(n)), at(second(n) + 3_600)));
    }
    // A whole number of minutes of expiry is in the measured part for either size.
    let start = busy();
    for n in live..live + requests {
        let now = at(second(n));
        memory.expire(now);
        assert!(memory.insert(ReplayKey(key(n)), now + Duration::hours(1)));
    }
    let taken = (busy() - start) / requests as f64;
    assert!(memory.len() as u64 >= live && (memory.len() as u64) < live + live / 20 + 1000);
    taken
}

/// One test, so that nothing else runs in the process meanwhile.
#[test]
fn a_million_live_entries_are_small_and_quick() {
    a_million_live_entries_are_held_in_little_memory();
    a_million_entries_are_about_as_quick_as_ten_thousand();
}

fn a_million_live_entries_are_held_in_little_memory() {
    let before = resident_octets();
    let mut memory = ReplayMemory::new();
    for n in 0..MILLION {
        assert!(memory.insert(ReplayKey(key(n)), at((n % 3_660) as i64)));
    }
    assert_eq!(memory.len() as u64, MILLION);
    for n in (0..MILLION).step_by(997) {
        assert!(
            !memory.insert(ReplayKey(key(n)), at(9_999)),
            "a live entry was dropped"
        );
    }
    let replay = resident_octets() - before;
    println!(
        "replay memory, 1,000,000 live entries: {:.1} MB at the peak",
        replay as f64 / 1e6
    );
    assert!(replay < 60_000_000, "{replay} octets");

    let before = resident_octets();
    let mut rate = RateWindow::new(3, Duration::hours(24));
    for n in 0..MILLION {
        rate.try_take(DeviceKey(key(n)), at((n % 86_400) as i64))
            .unwrap();
    }
    let window = resident_octets() - before;
    println!(
        "rate window, 1,000,000 devices: {:.1} MB at the peak",
        window as f64 / 1e6
    );
    assert!(window < 80_000_000, "{window} octets");
    assert_eq!(
        (memory.len(), rate.devices()),
        (MILLION as usize, MILLION as usize)
    );
}

fn a_million_entries_are_about_as_quick_as_ten_thousand() {
    // The least of several runs: other processes only ever add.
    let least = |live| {
        (0..2)
            .map(|_| nanoseconds_a_request(live, 100_000))
            .fold(f64::MAX, f64::min)
    };
    let (few, many) = (least(10_000), least(MILLION));
    println!(
        "replay memory: {few:.0} ns a request at 10,000 live entries, {many:.0} ns at 1,000,000"
    );
    // Caches make some difference; anything that grew with the number would be far above this.
    assert!(many < few * 6.0 + 2_000.0, "{few:.0} ns and {many:.0} ns");
}
