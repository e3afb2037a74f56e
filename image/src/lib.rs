//! What the machines are made of and how they start.
//!
//! Sources and pinned packages go in, bootable images and running machines come out. This crate may not speak
//! HTTP to the service, nor DNS.

pub mod command;
pub mod disk;
pub mod layout;
pub mod progress;
pub mod stack;

pub use layout::Layout;
pub use stack::Stack;
