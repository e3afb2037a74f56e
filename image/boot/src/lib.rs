//! What both forms of the loader share: checking the application, planning memory, and starting the kernel.
//!
//! The forms find the files and the memory map, each in its way, and call [`handoff::start`]. The loader is quiet
//! unless it refuses; then it says one line and powers the machine off with a failure status.
//! Invariant: nothing of the application runs before its seal was checked, and no byte is written to memory that
//! the firmware has not called free.

#![no_std]

extern crate alloc;

pub mod acpi;
pub mod elf;
pub mod handoff;
pub mod heap;
pub mod paging;
pub mod place;
pub mod plan;
pub mod port;
pub mod ranges;
pub mod refusal;
pub mod relr;
pub mod serial;
pub mod texts;
pub mod tree;

pub use ranges::{Range, Ranges};
pub use refusal::Refusal;
