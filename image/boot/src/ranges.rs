//! A set of physical memory ranges. Invariant: sorted, disjoint, not adjacent, whole pages, none empty.

/// Physical addresses from `start` up to but without `end`.
pub type Range = core::ops::Range<u64>;

/// The size of a page of memory.
pub const PAGE_BYTES: u64 = 4096;
/// How many ranges are kept: a UEFI memory map, once merged, has about ten.
const LIMIT: usize = 64;

/// A set of page-aligned ranges.
#[derive(Clone, Debug)]
pub struct Ranges {
    list: [(u64, u64); LIMIT],
    count: usize,
}

impl Ranges {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: [(0, 0); LIMIT], count: 0 }
    }

    /// The ranges in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.list[..self.count].iter().map(|(start, end)| *start..*end)
    }

    /// Adds the whole pages within `range`. Memory that the full set cannot hold is given up: its smallest range.
    pub fn insert(&mut self, range: Range) {
        let (mut start, mut end) = (range.start.next_multiple_of(PAGE_BYTES), range.end & !(PAGE_BYTES - 1));
        if start >= end {
            return;
        }
        let mut kept = Self::new();
        for old in self.iter() {
            if old.end < start || end < old.start {
                kept.push(old.start, old.end);
            } else {
                (start, end) = (start.min(old.start), end.max(old.end));
            }
        }
        kept.push(start, end);
        kept.list[..kept.count].sort_unstable();
        *self = kept;
    }

    /// Takes out every page that `range` touches.
    pub fn remove(&mut self, range: &Range) {
        let (start, end) = (range.start & !(PAGE_BYTES - 1), range.end.next_multiple_of(PAGE_BYTES));
        let mut kept = Self::new();
        for old in self.iter() {
            kept.push(old.start, old.end.min(start));
            kept.push(old.start.max(end), old.end);
        }
        *self = kept;
    }

    /// Whether all of `range` is in the set.
    #[must_use]
    pub fn contain(&self, range: &Range) -> bool {
        self.iter().any(|part| part.start <= range.start && range.end <= part.end)
    }

    /// How many bytes are in the set.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|range| range.end - range.start).sum()
    }

    /// Gives up the smallest ranges until there are `most` left.
    pub fn keep_largest(&mut self, most: usize) {
        while self.count > most
            && let Some(least) = self.iter().min_by_key(|range| range.end - range.start)
        {
            self.remove(&least);
        }
    }

    fn push(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        if self.count < LIMIT {
            self.list[self.count] = (start, end);
            self.count += 1;
        } else if let Some(least) = self.list.iter_mut().min_by_key(|(start, end)| end - start)
            && least.1 - least.0 < end - start
        {
            *least = (start, end);
            self.list.sort_unstable();
        }
    }
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "sets of one range are meant")]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn set(ranges: &[Range]) -> Ranges {
        let mut set = Ranges::new();
        ranges.iter().cloned().for_each(|range| set.insert(range));
        set
    }

    #[test]
    fn neighbours_merge_and_parts_of_pages_are_left_out() {
        let set = set(&[0x3000..0x5000, 0x8000..0x9000, 0x5000..0x6fff, 0x1001..0x1fff, 0x2001..0x3000]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0x3000..0x6000, 0x8000..0x9000]);
        assert_eq!(set.bytes(), 0x4000);
    }

    #[test]
    fn removal_splits_and_takes_touched_pages_whole() {
        let mut set = set(&[0..0x10000]);
        set.remove(&(0x4fff..0x6001));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..0x4000, 0x7000..0x10000]);
        assert!(set.contain(&(0x7000..0x8000)) && !set.contain(&(0x3000..0x8000)));
    }

    #[test]
    fn the_largest_are_kept() {
        let mut set = set(&[0..0x3000, 0x4000..0x5000, 0x6000..0x9000, 0xa000..0xc000]);
        set.keep_largest(2);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..0x3000, 0x6000..0x9000]);
        set.keep_largest(2);
        assert_eq!(set.iter().count(), 2);
    }

    #[test]
    fn a_full_set_gives_up_its_smallest_range() {
        let mut set = Ranges::new();
        for number in 0..64 {
            set.insert(number * 0x10000..number * 0x10000 + if number == 7 { 0x1000 } else { 0x2000 });
        }
        set.insert(0x100_0000..0x200_0000);
        assert!(set.contain(&(0x100_0000..0x200_0000)) && !set.contain(&(0x70000..0x71000)));
        assert_eq!(set.iter().count(), 64);
        assert!(set.iter().collect::<Vec<_>>().is_sorted_by_key(|range| range.start));
    }
}
