//! What connections may take of a heap, judged on the host: the guest compiles the same file.
//!
//! It allocates nothing. Invariant: however much is asked for, something is left for what is under way.

#[allow(dead_code)]
#[path = "../kernel/files/src/net/budget.rs"]
mod budget;
#[allow(dead_code)]
#[path = "../kernel/files/src/net/settings.rs"]
mod settings;

use budget::Budget;

const MIB: usize = 1 << 20;
const HEAP: usize = 96 * MIB;
/// A sixteenth.
const KEPT: usize = 6 * MIB;

#[test]
fn nothing_is_begun_while_the_heap_is_nearly_used_up() {
    let budget = Budget::of(HEAP);
    assert!(budget.lets_begin(KEPT));
    assert!(!budget.lets_begin(KEPT - 1));
}

#[test]
fn no_buffer_grows_while_the_heap_is_nearly_used_up() {
    let mut budget = Budget::of(HEAP);
    let others = KEPT.max(2 * budget.room());
    assert!(!budget.take_more(1, others - 1));
    assert_eq!(budget.taken(), 0);
    assert!(budget.take_more(1, others));
    assert_eq!(budget.taken(), 1);
}

#[test]
fn connections_together_get_a_third_and_then_no_more_than_their_least() {
    let mut budget = Budget::of(HEAP);
    assert!(budget.take_more(HEAP / 3, HEAP));
    assert!(!budget.take_more(1, HEAP));
    budget.take_least(1);
    assert!(!budget.has(1));
    budget.give(2);
    assert!(budget.take(1));
}

#[test]
fn a_crowd_at_a_small_machine_is_given_buffers_for_all_and_large_ones_for_none() {
    const RECORD_AND_WINDOW: usize = (2 + 8) << 10;
    let mut budget = Budget::of(9 * MIB);
    assert!((0..256).all(|_| budget.take_more(RECORD_AND_WINDOW, 9 * MIB)));
    assert!((0..256).all(|_| budget.transmit_limit() <= 8 << 10 && budget.take_more(4 << 10, 9 * MIB)));
}

#[test]
fn the_less_is_free_the_fewer_are_let_in_and_at_the_end_none() {
    let budget = Budget::of(16 * MIB);
    let room = budget.room();
    assert_eq!(room, 2 * MIB);
    assert!(budget.admits(room + MIB) > budget.admits(room + MIB / 2));
    assert_eq!(budget.admits(room), 0);
    assert!(budget.admits_one(room - 1));
    assert!(!budget.admits_one(room / 4 - 1));
}
