//! What happens to frames under way: loss, delay, disorder, duplicates, damage.
//!
//! Invariant: without weather every frame arrives at once, once, whole and in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::Dice;

/// How bad it is, in one direction. Shares are in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Frames that are lost.
    pub loss: u64,
    /// Frames that arrive twice.
    pub duplicates: u64,
    /// Frames of which one bit is changed.
    pub damage: u64,
    /// Frames that overtake those before them, by losing their delay.
    pub disorder: u64,
    /// How long every other frame takes.
    pub delay: Duration,
}

/// Frames under way in one direction.
pub struct Line {
    weather: Weather,
    dice: Dice,
    /// By the time at which they arrive, then by their order.
    frames: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    count: u64,
}

impl Line {
    /// An empty line.
    #[must_use]
    pub fn new(dice: Dice) -> Self {
        Self { weather: Weather::default(), dice, frames: BinaryHeap::new(), count: 0 }
    }

    /// Changes the weather for frames that are yet to come.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    fn happens(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.dice.below(1000) < thousandths
    }

    /// Puts a frame on its way.
    pub fn put(&mut self, frame: &[u8]) {
        if self.happens(self.weather.loss) {
            return;
        }
        let copies = if self.happens(self.weather.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            self.put_once(frame.to_vec());
        }
    }

    fn put_once(&mut self, mut frame: Vec<u8>) {
        if self.happens(self.weather.damage) {
            let bit = self.dice.below(frame.len() as u64 * 8) as usize;
            frame[bit / 8] ^= 1 << (bit % 8);
        }
        let overtakes = self.happens(self.weather.disorder);
        let delay = if overtakes { self.weather.delay / 2 } else { self.weather.delay };
        self.count += 1;
        self.frames.push(Reverse((Instant::now() + delay, self.count, frame)));
    }

    /// A frame that has arrived.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        if self.due()? > Instant::now() {
            return None;
        }
        self.frames.pop().map(|Reverse((_, _, frame))| frame)
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.frames.peek().map(|Reverse((due, _, _))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(weather: Weather) -> Vec<Vec<u8>> {
        let mut line = Line::new(Dice::for_story("weather"));
        line.set_weather(weather);
        (0..1000_u16).for_each(|number| line.put(&number.to_be_bytes()));
        std::iter::from_fn(|| line.take()).collect()
    }

    #[test]
    fn in_fair_weather_every_frame_arrives_once_and_in_order() {
        let numbers: Vec<Vec<u8>> = (0..1000_u16).map(|number| number.to_be_bytes().to_vec()).collect();
        assert_eq!(arrived(Weather::default()), numbers);
    }

    #[test]
    fn losses_and_duplicates_are_as_frequent_as_asked_for() {
        let lost = arrived(Weather { loss: 500, ..Weather::default() }).len();
        assert!((400..600).contains(&lost), "{lost}");
        let doubled = arrived(Weather { duplicates: 500, ..Weather::default() }).len();
        assert!((1400..1600).contains(&doubled), "{doubled}");
    }

    #[test]
    fn damage_changes_frames() {
        assert_ne!(arrived(Weather { damage: 500, ..Weather::default() }), arrived(Weather::default()));
    }
}
