//! What an enrollment takes, and its end: what it took is kept, or given back.

use super::ProfileActor;
use crate::answer::Answer;
use crate::decision::{Decision, Hold, Reserve, Settle, Settlement, USED_BEFORE};
use crate::enrollment::{Key, Marks, digest};
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
    ) -> Result<Marks, Decision> {
        // What is live stays, however the wall clock is set.
        self.replay.expire(self.shared.passed());
        let mut marks = Marks::none(now);
        marks.limit = self.rate.limit();
        for reservation in reservations {
            let refused = match *reservation {
                Reservation::Once { key, until } => {
                    if self.replay.insert(ReplayKey(key), until) {
                        marks.once.push((ReplayKey(key), until));
                        continue;
                    }
                    Decision::Replay
                }
                Reservation::OneOf { key, places, until } => {
                    let place = (0..places).find_map(|place| {
                        let place = ReplayKey(place_of(key, place));
                        self.replay.insert(place, until).then_some(place)
                    });
                    if let Some(place) = place {
                        marks.once.push((place, until));
                        marks.used = Some(Box::new(key));
                        continue;
                    }
                    Decision::Replay
                }
                Reservation::Quota { key, .. } => match self.rate.try_take(DeviceKey(key), now) {
                    Ok(_) => {
                        if self.rate.limit() > 0 {
                            marks.quota.push(DeviceKey(key));
                        }
                        continue;
                    }
                    Err(limited) => Decision::RateLimited(limited),
                },
            };
            self.give_back(&marks);
            return Err(refused);
        }
        Ok(marks)
    }

    fn give_back(&mut self, marks: &Marks) {
        for (key, _) in &marks.once {
            self.replay.remove(key);
        }
        for device in &marks.quota {
            self.rate.give_back(device, marks.at);
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

impl Handler<Settle> for ProfileActor {
    type Result = ();

    fn handle(&mut self, settle: Settle, _: &mut Self::Context) {
        let (answer, label) = match settle.settlement {
            Settlement::Durable {
                known,
                answer,
                label,
            } => {
                self.transactions.end(&settle.key, &answer);
                let instant = self.shared.services.clock.instant();
                if let Some(waiting) = &known.waiting {
                    let waiting = Arc::clone(waiting);
                    self.pending
                        .insert(settle.key, waiting, known.approval_ends());
                    self.told.forget(&settle.key);
                } else {
                    self.said_full = false;
                    for joined in self.pending.remove(&settle.key) {
                        self.transactions.remember(joined, known.clone(), instant);
                    }
                }
                self.transactions.remember(settle.key, known, instant);
                (None, label)
            }
            Settlement::Refused {
                known,
                answer,
                label,
            } => {
                let instant = self.shared.services.clock.instant();
                self.pending.remove(&settle.key);
                self.transactions.remember(settle.key, known, instant);
                (Some(answer), label)
            }
            Settlement::Paused => {
                self.transactions.end(&settle.key, &Answer::Pending);
                (None, None)
            }
            Settlement::Joined => {
                self.transactions.end(&settle.key, &Answer::Pending);
                (None, None)
            }
            Settlement::Failed { answer, label } => {
                self.pending.release(&settle.key);
                (Some(answer), label)
            }
        };
        if let Some(answer) = answer
            && let Some(marks) = self.transactions.end(&settle.key, &answer)
        {
            self.give_back(&marks);
        }
        if let Some(label) = label {
            self.counters.add(label);
            self.shared.meters.intune(label);
        }
    }
}

impl Handler<Reserve> for ProfileActor {
    type Result = Result<Marks, (Label, String)>;

    fn handle(&mut self, ask: Reserve, _: &mut Self::Context) -> Self::Result {
        match self.reserve(&ask.reservations, ask.now) {
            Ok(marks) => {
                self.transactions.hold(&ask.key, marks.clone());
                Ok(marks)
            }
            // Its counter goes up when the refusal is durable.
            Err(Decision::RateLimited(limited)) => Err((Label::RateLimited, limited.to_string())),
            Err(_) => Err((Label::Replay, USED_BEFORE.to_owned())),
        }
    }
}

impl Handler<Hold> for ProfileActor {
    type Result = ();

    fn handle(&mut self, Hold { key, marks }: Hold, _: &mut Self::Context) {
        self.transactions.hold(&key, marks);
    }
}
