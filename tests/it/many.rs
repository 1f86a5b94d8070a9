//! Many profiles in one server.

use std::time::{Duration, Instant};

use crate::device::Device;
use crate::fleet::{Load, Patience, always, device_key};
use crate::test_env::{CHALLENGE, Running, TestEnv};

/// Profiles `fleet-0` and so on, and how long the server took to serve them all.
async fn start(profiles: usize) -> (Running, Duration) {
    let mut env = TestEnv::new();
    for number in 0..profiles {
        env = env.profile(&format!("fleet-{number}"), "");
    }
    let started = Instant::now();
    let server = env.start().await;
    (server, started.elapsed())
}

/// The times of `asks` GetCACaps, one after the other, each on another profile but `fleet-0`; sorted.
async fn caps_times(server: &Running, profiles: usize, asks: usize) -> Vec<Duration> {
    let http = server.client();
    let mut times = Vec::new();
    for ask in 0..asks {
        let path_id = format!("fleet-{}", 1 + ask % (profiles - 1));
        let url = format!("{}?operation=GetCACaps", server.http(&path_id));
        let started = Instant::now();
        let reply = http.get(url).send().await.unwrap();
        assert_eq!(reply.status(), 200, "{path_id}");
        let caps = reply.text().await.unwrap();
        times.push(started.elapsed());
        assert!(caps.lines().any(|line| line == "AES"), "{caps}");
    }
    times.sort();
    times
}

/// A load on `fleet-0`, and the times of the others' GetCACaps under it.
async fn under_load(server: &Running, profiles: usize, asks: usize) -> Vec<Duration> {
    let device = Device::at(server.http("fleet-0"), server.client(), device_key()).await;
    let devices = (0..4).map(|_| (device.clone(), false)).collect();
    let load = Load::start(devices, &always(CHALLENGE), Patience::None);
    load.more(4).await;
    let before = load.done();
    let times = caps_times(server, profiles, asks).await;
    load.more(1).await;
    assert!(load.done() > before);
    load.end().await;
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_profiles_are_served_while_one_of_them_has_all_the_load() {
    let (server, _) = start(100).await;
    assert_eq!(server.server.runtime().directory.all().len(), 100);
    let times = under_load(&server, 100, 200).await;
    assert_eq!(times.len(), 200);
    let last = Device::at(server.http("fleet-99"), server.client(), device_key()).await;
    last.enroll().await;
}

/// Says how it went; meant for an idle machine and optimised code.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: run it alone, in release"]
#[allow(clippy::print_stdout, reason = "its numbers are what it is for")]
async fn a_thousand_profiles_measured() {
    let (server, first) = start(1000).await;
    let times = under_load(&server, 1000, 2000).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rss = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    println!("first start to ready: {first:?} (with 1,000 RA certificates made)");
    println!("{rss}");
    println!("GetCACaps p50 {:?}, p99 {:?}", times[1000], times[1980]);
    assert_eq!(server.server.runtime().directory.all().len(), 1000);
}
