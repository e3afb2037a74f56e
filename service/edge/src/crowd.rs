//! The open connections of one listener, and which of them goes when there is no room for another.
//!
//! Invariant: a connection whose request is worked on is never chosen, so that a crowd of slow or silent clients keeps
//! nobody out and ends nobody's request. Who does not take the answers that are made for it goes as well, after the idle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::activity::Activity;

/// Who is there. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crowd(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    members: Mutex<HashMap<u64, Activity>>,
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Member {
    crowd: Crowd,
    number: u64,
}

impl Crowd {
    /// Takes a connection in.
    pub(crate) fn join(&self, activity: Activity) -> Member {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.members.lock().unwrap_or_else(PoisonError::into_inner).insert(number, activity);
        Member { crowd: self.clone(), number }
    }

    /// Asks those that have got nothing done for the longest time to go, until so many are on their way out; fewer where
    /// fewer are without a request that is worked on. Whoever is being sent something goes after those who are not.
    pub(crate) fn make_room(&self, places: usize) {
        let members = self.0.members.lock().unwrap_or_else(PoisonError::into_inner);
        let leaving = members.values().filter(|member| member.is_leaving()).count();
        let mut idle: Vec<_> =
            members.values().filter_map(|member| Some((member.idle_since()?, member))).collect();
        idle.sort_unstable_by_key(|(since, member)| (member.is_sending(), *since));
        for (_, longest) in idle.into_iter().take(places.saturating_sub(leaving)) {
            longest.evict();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.0.members.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
