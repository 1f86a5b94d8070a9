//! Requests whose devices were told that an operator did not approve them.
//!
//! A denial, or an approval that ran out, binds one request. Clients that keep their CSR, their signer and their
//! transactionID send the next one under the same key; what tells the two apart is that the device has been told of the
//! first one's end, and that the message is another one.

use crate::enrollment::Key;
use std::collections::{HashMap, VecDeque};

/// As many are remembered. One that is forgotten is told once more.
const MOST: usize = 10_000;

/// By request, the message that was answered so, if it was one that asks for a certificate.
#[derive(Default)]
pub(crate) struct Told {
    messages: HashMap<Key, Option<Key>>,
    order: VecDeque<Key>,
}

impl Told {
    /// Whether this message begins anew, as the device knows how the request `key` ended. If not, it is told now.
    pub(crate) fn begins_anew(&mut self, key: Key, first: Option<Key>, message: Key) -> bool {
        match self.messages.get(&key) {
            Some(told) => *told != Some(message) && first != Some(message),
            None => {
                self.note(key, Some(message));
                false
            }
        }
    }

    /// Notes that the device was told, by this message or by a poll.
    pub(crate) fn note(&mut self, key: Key, message: Option<Key>) {
        if self.messages.contains_key(&key) {
            return;
        }
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.messages.remove(&oldest);
        }
        self.order.push_back(key);
        self.messages.insert(key, message);
    }

    /// Forgets a request that waits again.
    pub(crate) fn forget(&mut self, key: &Key) {
        if self.messages.remove(key).is_some() {
            self.order.retain(|other| other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_keeps_its_refusal_and_the_next_one_begins_anew() {
        let mut told = Told::default();
        let (key, first) = ([1; 16], Some([10; 16]));
        assert!(!told.begins_anew(key, first, [11; 16]), "told now");
        assert!(!told.begins_anew(key, first, [11; 16]), "the same");
        assert!(!told.begins_anew(key, first, [10; 16]), "the first one");
        assert!(told.begins_anew(key, first, [12; 16]));
        told.forget(&key);
        told.note(key, None);
        assert!(told.begins_anew(key, first, [12; 16]), "told by a poll");
    }

    #[test]
    fn memory_is_bounded() {
        let mut told = Told::default();
        for n in 0..=MOST as u128 {
            told.note(n.to_be_bytes(), None);
        }
        assert_eq!(told.messages.len(), MOST);
        assert_eq!(told.order.len(), MOST);
        assert!(!told.messages.contains_key(&[0; 16]));
    }
}
