//! Random draws that can be had again: every story draws from a seed that its failure names.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives the draws of an earlier run again.
const SEED: &str = "BOOTSTACK_SEED";

/// A source of draws.
#[derive(Clone, Debug)]
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// Dice for one story, with the seed in `BOOTSTACK_SEED`, else one of this moment. A story draws the same whether
    /// others ran before it or not.
    #[must_use]
    pub fn for_story(story: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        Self::seeded(given.unwrap_or(now), story)
    }

    fn seeded(seed: u64, story: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, story).hash(&mut hasher);
        Self { seed, state: hasher.finish() }
    }

    /// A number below `limit` (0 if there is none), by `SplitMix64` (Steele, Lea and Flood, 2014).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }
}

/// What to type to have the same draws again.
impl fmt::Display for Dice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SEED}={}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_draws_again_and_stories_differ() {
        let draws = |story| {
            let mut dice = Dice::seeded(7, story);
            [dice.below(1000), dice.below(1000), dice.between(5, 6)]
        };
        assert_eq!(draws("a"), draws("a"));
        assert_ne!(draws("a"), draws("b"));
        assert!(draws("a")[2] >= 5 && draws("a")[2] <= 6);
    }
}
