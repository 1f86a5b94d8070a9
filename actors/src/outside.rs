//! Calls to the outside: a time limit each, tries with growing pauses, a circuit that opens when nothing answers, and a
//! bound on calls at a time.

use crate::clock::Clock;
use crate::registry::Metrics;
use chrono::TimeDelta;
use metrics::Gauge;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How a profile deals with those outside that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutsideRules {
    /// For how long a request waits for an answer from outside before the device is told PENDING.
    pub answer_within: Duration,
    /// How long one call may take.
    pub call: Duration,
    /// The pause after the first failed try; it doubles with each,
    pub first_pause: Duration,
    /// up to this. The one that is kept is between half of it and all of it, by chance.
    pub longest_pause: Duration,
    /// How often a stage is tried, calls that nobody made not counted. Then the enrollment fails; 0 = as often as its time
    /// allows.
    pub tries: u32,
    /// How long a stage may take, all tries together, restarts included. Then the enrollment fails.
    pub budget: Duration,
    /// After so many failures in a row nobody is called any more,
    pub failures: u32,
    /// until this time has passed and one call has come through.
    pub rest: Duration,
    /// Calls at a time, for each remote.
    pub at_a_time: usize,
}

impl Default for OutsideRules {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(15),
            call: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            tries: 0,
            budget: Duration::from_secs(30 * 60),
            failures: 5,
            rest: Duration::from_secs(30),
            at_a_time: 16,
        }
    }
}

impl OutsideRules {
    /// The pause after this many failed tries (1 or more), drawn by `chance` (0 to 1).
    pub(crate) fn pause(&self, tries: u32, chance: f64) -> Duration {
        let doublings = tries.saturating_sub(1).min(16);
        let full = self
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause);
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Called<T, E> {
    /// It was answered, with an answer or a refusal.
    Answered(Result<T, E>),
    /// No answer within the time of a call. Whether it arrived is not known.
    TimedOut,
    /// Nobody was called: the circuit is open, or all places are taken. Again in so long.
    Closed(Duration),
}

/// How the tries of one stage go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Again after so long.
    After(Duration),
    /// No more: the stage has had its time, or its tries.
    GiveUp,
}

impl OutsideRules {
    /// What comes after `calls` calls of a stage, of which `failed` were answered with a failure or not at all. `spent` is
    /// the time that the stage has taken so far, by the store's clock, so that a restart neither gives it more nor takes
    /// any; `after` is what the other side asks for.
    pub(crate) fn next(
        &self,
        (calls, failed): (u32, u32),
        spent: TimeDelta,
        after: Option<Duration>,
        chance: f64,
    ) -> Next {
        // Nobody is asked without a pause, whatever the other side says.
        let pause = after
            .unwrap_or_else(|| self.pause(calls, chance))
            .max(self.first_pause / 2)
            .max(Duration::from_millis(1));
        let spent = spent.to_std().unwrap_or_default();
        let has_tries = self.tries == 0 || failed < self.tries;
        match has_tries && spent.saturating_add(pause) <= self.budget {
            true => Next::After(pause),
            false => Next::GiveUp,
        }
    }
}

/// Somebody outside, as one profile calls it.
pub(crate) struct Remote {
    metrics: Metrics,
    profile: String,
    name: String,
    /// Calls under way.
    calls: Arc<AtomicUsize>,
    /// Enrollments that wait for what it says.
    waiting: AtomicUsize,
    circuit: Mutex<Circuit>,
}

/// An enrollment that waits for somebody outside, as long as it is held.
pub(crate) struct Waiting<'a>(&'a Remote);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.waiting_gauge().decrement(1.0);
    }
}

/// All those outside that one profile calls, by name: their circuits outlive a reload.
pub(crate) struct Remotes {
    metrics: Metrics,
    profile: String,
    known: Mutex<HashMap<String, Arc<Remote>>>,
    /// Enrollments that wait for one of them.
    under_way: Arc<AtomicUsize>,
}

/// A place among the enrollments that wait for somebody outside, or among the calls that are under way.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Place {
    /// One more, if there are fewer than `most`.
    fn among(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::SeqCst) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Remotes {
    pub(crate) fn new(profile: &str, metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.clone(),
            profile: profile.to_owned(),
            known: Mutex::default(),
            under_way: Arc::default(),
        }
    }

    /// A place for one more enrollment, if there are fewer than `most`; 0 = any number.
    pub(crate) fn place(&self, most: usize) -> Option<Place> {
        let most = if most == 0 { usize::MAX } else { most };
        Place::among(&self.under_way, most)
    }

    /// The one of that name.
    pub(crate) fn of(&self, name: &str) -> Arc<Remote> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = known
            .entry(name.to_owned())
            .or_insert_with(|| Remote::new(&self.metrics, &self.profile, name));
        Arc::clone(remote)
    }

    /// How many enrollments wait for what the one of that name says.
    pub(crate) fn waiting_for(&self, name: &str) -> usize {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(name)
            .map_or(0, |remote| remote.waiting.load(Ordering::SeqCst))
    }

    /// Names of those whose circuit is open, in order.
    pub(crate) fn resting(&self) -> Vec<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let resting = known.values().filter(|remote| remote.rests());
        let mut names: Vec<String> = resting.map(|remote| remote.name.clone()).collect();
        names.sort();
        names
    }
}

#[derive(Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    /// Nobody is called before this, while it is open.
    rests_until: Option<Instant>,
    /// Whether the one call that is to close it is under way.
    probing: bool,
}

impl Remote {
    fn new(metrics: &Metrics, profile: &str, name: &str) -> Arc<Self> {
        Arc::new(Self {
            metrics: metrics.clone(),
            profile: profile.to_owned(),
            name: name.to_owned(),
            calls: Arc::default(),
            waiting: AtomicUsize::default(),
            circuit: Mutex::default(),
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts an enrollment that waits for what it says, from the first call to the last, pauses included.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.waiting_gauge().increment(1.0);
        Waiting(self)
    }

    fn waiting_gauge(&self) -> Gauge {
        let labels = [("profile", &*self.profile), ("remote", &*self.name)];
        self.metrics.gauge("scepd_outside_waiting", &labels)
    }

    /// Calls once. `is_failure` says which answers count against the circuit.
    pub(crate) async fn call<T, E, F>(
        &self,
        clock: &dyn Clock,
        rules: &OutsideRules,
        call: F,
        is_failure: impl Fn(&E) -> bool,
    ) -> Called<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Some(_place) = Place::among(&self.calls, rules.at_a_time.max(1)) else {
            self.count("crowded");
            return Called::Closed(rules.first_pause);
        };
        // The lock is let go before anything else: counting takes it again.
        let entered = self.circuit().enter(clock.instant());
        let probe = match entered {
            Ok(probe) => Probe {
                remote: self,
                probe,
            },
            Err(wait) => {
                self.count("open");
                return Called::Closed(wait);
            }
        };
        let started = clock.instant();
        let limit = clock.wait_until(started + rules.call);
        let called = tokio::select! {
            biased;
            answer = call => Called::Answered(answer),
            () = limit => Called::TimedOut,
        };
        let took = clock.instant().saturating_duration_since(started);
        let failed = match &called {
            Called::Answered(Ok(_)) => false,
            Called::Answered(Err(error)) => is_failure(error),
            Called::TimedOut | Called::Closed(_) => true,
        };
        self.circuit().leave(failed, clock.instant(), rules);
        drop(probe);
        self.count(match &called {
            Called::Answered(Ok(_)) => "answered",
            Called::Answered(Err(_)) if failed => "failed",
            Called::Answered(Err(_)) => "refused",
            Called::TimedOut | Called::Closed(_) => "timeout",
        });
        let labels = [("profile", &*self.profile), ("remote", &*self.name)];
        self.metrics
            .histogram("scepd_outside_seconds", &labels)
            .record(took.as_secs_f64());
        called
    }

    fn rests(&self) -> bool {
        self.circuit().rests_until.is_some()
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &'static str) {
        let (profile, remote) = (("profile", &*self.profile), ("remote", &*self.name));
        self.metrics
            .counter(
                "scepd_outside_calls_total",
                &[profile, remote, ("result", result)],
            )
            .increment(1);
        let open = self.rests();
        self.metrics
            .gauge("scepd_outside_circuit_open", &[profile, remote])
            .set(f64::from(u8::from(open)));
    }
}

/// A probe that is cancelled leaves the circuit open for the next one.
struct Probe<'a> {
    remote: &'a Remote,
    probe: bool,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.remote.circuit().probing = false;
        }
    }
}

impl Circuit {
    /// Whether somebody may call now, and whether that call decides if others may.
    fn enter(&mut self, now: Instant) -> Result<bool, Duration> {
        let Some(until) = self.rests_until else {
            return Ok(false);
        };
        let left = until.saturating_duration_since(now);
        if left.is_zero() && !self.probing {
            self.probing = true;
            return Ok(true);
        }
        Err(left.max(Duration::from_secs(1)))
    }

    fn leave(&mut self, failed: bool, now: Instant, rules: &OutsideRules) {
        if !failed {
            *self = Self {
                probing: self.probing,
                ..Self::default()
            };
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= rules.failures.max(1) {
            self.rests_until = Some(now + rules.rest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::clock::SystemClock;
    use std::future::{pending, ready};

    fn rules() -> OutsideRules {
        OutsideRules {
            call: Duration::from_millis(1),
            failures: 2,
            rest: Duration::from_secs(30),
            at_a_time: 1,
            ..OutsideRules::default()
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_spread() {
        let rules = OutsideRules::default();
        let whole: Vec<u64> = (1..=8)
            .map(|tries| rules.pause(tries, 1.0).as_secs())
            .collect();
        assert_eq!(whole, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rules.pause(3, 0.0), Duration::from_secs(2));
        assert_eq!(rules.pause(u32::MAX, 0.5), Duration::from_secs(45));
    }

    #[test]
    fn a_stage_has_its_time_and_its_tries_and_goes_on_until_then() {
        let rules = OutsideRules {
            tries: 4,
            budget: Duration::from_secs(100),
            ..OutsideRules::default()
        };
        let next = |counts, spent, after: Option<u64>| {
            let after = after.map(Duration::from_secs);
            rules.next(counts, TimeDelta::seconds(spent), after, 1.0)
        };
        let after = |seconds| Next::After(Duration::from_secs(seconds));
        assert_eq!(next((1, 1), 0, None), after(1));
        assert_eq!(next((4, 3), 0, None), after(8));
        assert_eq!(next((4, 4), 0, None), Next::GiveUp, "its tries");
        assert_eq!(next((90, 3), 0, Some(30)), after(30), "it is at work");
        assert_eq!(next((2, 1), 98, None), after(2));
        assert_eq!(next((2, 1), 99, None), Next::GiveUp, "its time");
        assert_eq!(next((2, 0), 80, Some(30)), Next::GiveUp, "it asks for more");
        assert_eq!(
            next((1, 1), -5, None),
            after(1),
            "a clock that was put back"
        );
        let hurried = rules.next((1, 0), TimeDelta::zero(), Some(Duration::ZERO), 1.0);
        assert_eq!(hurried, Next::After(Duration::from_millis(500)));
        let patient = OutsideRules { tries: 0, ..rules };
        let many = patient.next((900, 900), TimeDelta::zero(), None, 1.0);
        assert_eq!(many, after(60));
    }

    #[tokio::test]
    async fn a_call_has_its_time_and_its_place() {
        let remote = Remote::new(&Metrics::default(), "corp", "validator");
        let clock = SystemClock;
        let called = remote
            .call(&clock, &rules(), pending::<Result<(), ()>>(), |()| true)
            .await;
        assert!(matches!(called, Called::TimedOut));
        let place = Place::among(&remote.calls, 1).unwrap();
        let called = remote
            .call(&clock, &rules(), ready(Ok::<_, ()>(())), |()| true)
            .await;
        assert!(matches!(called, Called::Closed(_)));
        drop(place);
    }

    #[tokio::test]
    async fn the_circuit_opens_after_failures_and_closes_after_a_probe() {
        let rules = rules();
        let mut circuit = Circuit::default();
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(circuit.enter(start), Ok(false));
            circuit.leave(true, start, &rules);
        }
        assert_eq!(circuit.enter(start), Err(Duration::from_secs(30)));
        let later = start + rules.rest;
        assert_eq!(circuit.enter(later), Ok(true));
        assert!(circuit.enter(later).is_err(), "one probe at a time");
        circuit.leave(true, later, &rules);
        circuit.probing = false;
        assert!(circuit.enter(later).is_err(), "the probe failed");
        let again = later + rules.rest;
        assert_eq!(circuit.enter(again), Ok(true));
        circuit.leave(false, again, &rules);
        circuit.probing = false;
        assert_eq!(circuit.enter(again), Ok(false));
    }

    #[test]
    fn those_that_wait_are_counted_until_they_do_not() {
        let remotes = Remotes::new("corp", &Metrics::default());
        assert_eq!(remotes.waiting_for("issuer"), 0, "nobody knows it yet");
        let (issuer, other) = (remotes.of("issuer"), remotes.of("validator"));
        let first = issuer.wait();
        let second = issuer.wait();
        let _elsewhere = other.wait();
        assert_eq!(remotes.waiting_for("issuer"), 2);
        drop(first);
        assert_eq!(remotes.waiting_for("issuer"), 1);
        drop(second);
        assert_eq!(remotes.waiting_for("issuer"), 0);
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let remote = Remote::new(&Metrics::default(), "corp", "issuer");
        for _ in 0..5 {
            let called = remote
                .call(&SystemClock, &rules(), ready(Err::<(), _>("no")), |_| false)
                .await;
            assert!(matches!(called, Called::Answered(Err("no"))));
        }
    }
}
