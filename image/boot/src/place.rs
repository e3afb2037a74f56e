//! Memory in the loader's own data, for what outlives the loader. Invariant: each place is taken at most once.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// A value that is set aside in the loader's data.
#[derive(Debug)]
pub struct Place<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

// Safety: `take` gives the value to one caller only.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Place<T> {
    /// A place that holds `value`.
    pub const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), taken: AtomicBool::new(false) }
    }

    /// The value, for good.
    ///
    /// # Panics
    /// When it was taken before: a mistake in the loader.
    #[allow(clippy::mut_from_ref, reason = "`taken` makes it the only reference")]
    pub fn take(&'static self) -> &'static mut T {
        assert!(!self.taken.swap(true, Ordering::Relaxed), "a place was taken twice");
        // Safety: `taken` was false, so this is the only reference ever.
        unsafe { &mut *self.value.get() }
    }
}
