//! What an enrollment takes, and its end: what it took is kept, or given back.

use super::ProfileActor;
use crate::admission::{Admission, Complete, Completion, Hold, Reserve, USED_BEFORE};
use crate::answer::Answer;
use crate::enrollment::{Key, Reserved, digest};
use actix::Handler;
use challenge::{DeviceKey, Label, ReplayKey, Reservation};
use chrono::{DateTime, Utc};
use std::sync::Arc;

impl ProfileActor {
    /// Everything or nothing, in one step: gates 7 and 8.
    pub(super) fn reserve(
        &mut self,
        reservations: &[Reservation],
        now: DateTime<Utc>,
    ) -> Result<Reserved, Admission> {
        // What is live stays, however the wall clock is set.
        self.replay.expire(self.shared.passed());
        let mut reserved = Reserved::none(now);
        reserved.limit = self.rate.limit();
        for reservation in reservations {
            let refused = match *reservation {
                Reservation::Once { key, until } => {
                    if self.replay.insert(ReplayKey(key), until) {
                        reserved.once.push((ReplayKey(key), until));
                        continue;
                    }
                    Admission::Replay
                }
                Reservation::OneOf { key, places, until } => {
                    let place = (0..places).find_map(|place| {
                        let place = ReplayKey(place_of(key, place));
                        self.replay.insert(place, until).then_some(place)
                    });
                    if let Some(place) = place {
                        reserved.once.push((place, until));
                        reserved.used = Some(Box::new(key));
                        continue;
                    }
                    Admission::Replay
                }
                Reservation::Quota { key, .. } => match self.rate.try_take(DeviceKey(key), now) {
                    Ok(_) => {
                        if self.rate.limit() > 0 {
                            reserved.quota.push(DeviceKey(key));
                        }
                        continue;
                    }
                    Err(limited) => Admission::RateLimited(limited),
                },
            };
            self.give_back(&reserved);
            return Err(refused);
        }
        Ok(reserved)
    }

    fn give_back(&mut self, reserved: &Reserved) {
        for (key, _) in &reserved.once {
            self.replay.remove(key);
        }
        for device in &reserved.quota {
            self.rate.give_back(device, reserved.at);
        }
    }
}

/// What is taken for one of several places.
fn place_of(key: Key, place: u32) -> Key {
    match place {
        0 => key,
        place => digest(&[&key[..], &place.to_be_bytes()[..]]),
    }
}

impl Handler<Complete> for ProfileActor {
    type Result = ();

    fn handle(&mut self, done: Complete, _: &mut Self::Context) {
        let (answer, label) = match done.completion {
            Completion::Durable {
                known,
                answer,
                label,
            } => {
                self.transactions.end(&done.key, &answer);
                let instant = self.shared.services.clock.instant();
                if let Some(waiting) = &known.waiting {
                    let waiting = Arc::clone(waiting);
                    self.pending
                        .insert(done.key, waiting, known.approval_ends());
                    self.told.forget(&done.key);
                } else {
                    self.said_full = false;
                    for joined in self.pending.remove(&done.key) {
                        self.transactions.remember(joined, known.clone(), instant);
                    }
                }
                self.transactions.remember(done.key, known, instant);
                (None, label)
            }
            Completion::Refused {
                known,
                answer,
                label,
            } => {
                let instant = self.shared.services.clock.instant();
                self.pending.remove(&done.key);
                self.transactions.remember(done.key, known, instant);
                (Some(answer), label)
            }
            Completion::Paused => {
                self.pending.release(&done.key);
                self.transactions.end(&done.key, &Answer::Pending);
                (None, None)
            }
            Completion::Joined => {
                self.transactions.end(&done.key, &Answer::Pending);
                (None, None)
            }
            Completion::Failed { answer, label } => {
                self.pending.release(&done.key);
                (Some(answer), label)
            }
        };
        if let Some(answer) = answer
            && let Some(reserved) = self.transactions.end(&done.key, &answer)
        {
            self.give_back(&reserved);
        }
        if let Some(label) = label {
            self.counters.add(label);
            self.shared.meters.intune(label);
        }
    }
}

impl Handler<Reserve> for ProfileActor {
    type Result = Result<Reserved, (Label, String)>;

    fn handle(&mut self, ask: Reserve, _: &mut Self::Context) -> Self::Result {
        match self.reserve(&ask.reservations, ask.now) {
            Ok(reserved) => {
                self.transactions.hold(&ask.key, reserved.clone());
                Ok(reserved)
            }
            // Its counter goes up when the refusal is durable.
            Err(Admission::RateLimited(limited)) => Err((Label::RateLimited, limited.to_string())),
            Err(_) => Err((Label::Replay, USED_BEFORE.to_owned())),
        }
    }
}

impl Handler<Hold> for ProfileActor {
    type Result = ();

    fn handle(&mut self, Hold { key, reserved }: Hold, _: &mut Self::Context) {
        self.transactions.hold(&key, reserved);
    }
}
