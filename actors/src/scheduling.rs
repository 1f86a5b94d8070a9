//! How the system's scheduler treats these threads. Wishes: where they are refused (a sandbox that allows neither
//! `setpriority` nor `sched_setscheduler`), everything works, and a little slower.

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
};

/// How much lower than the front's the priority of threads is that do RSA (a Unix nice value).
const NICE: i32 = 5;

/// Puts the calling thread after those of the front, so that what costs no RSA is answered quickly while every core is
/// busy with it.
pub(crate) fn after_the_front() {
    // On Linux "the calling process" of setpriority is the calling thread.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Has the calling thread wait for a core when it is woken, instead of interrupting whoever is at work (SCHED_BATCH, see
/// sched(7)). Actors get many short messages: while every core is busy with RSA, taking several at a time saves most of
/// the interruptions. On an idle machine nothing changes.
pub(crate) fn in_turn() {
    // Of 0 to 99, what comes nearest to a nice value of 0.
    let Ok(middle) = ThreadPriorityValue::try_from(48) else {
        return;
    };
    let nice = rustix::process::getpriority_process(None);
    let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let me = thread_priority::thread_native_id();
    let _ = thread_priority::set_thread_priority_and_policy(
        me,
        ThreadPriority::Crossplatform(middle),
        batch,
    );
    // The library sets both; the thread keeps the priority that the server was started with.
    if let Ok(nice) = nice {
        let _ = rustix::process::setpriority_process(None, nice);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_wishes_are_granted_here() {
        std::thread::spawn(|| {
            rustix::process::setpriority_process(None, 2).unwrap();
            in_turn();
            let policy = thread_priority::thread_schedule_policy().unwrap();
            assert_eq!(
                policy,
                ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch)
            );
            let nice = || rustix::process::getpriority_process(None).unwrap();
            assert_eq!(nice(), 2);
            after_the_front();
            assert_eq!(nice(), NICE);
        })
        .join()
        .unwrap();
    }
}
