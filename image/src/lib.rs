//! What the machines are made of and how they start.
//!
//! Sources and pinned packages go in, bootable images and running machines come out. This crate may not speak
//! HTTP to the service, nor DNS.

pub mod command;
pub mod db;
pub mod debian;
pub mod disk;
pub mod guest;
pub mod kernel;
pub mod layout;
mod link;
pub mod loader;
pub mod machine;
mod optimisation;
pub mod port;
pub mod progress;
mod remap;
pub mod stack;
pub mod symbols;
pub mod toolchain;
pub mod wait;
pub mod web;
pub mod yardstick;

pub use layout::Layout;
pub use optimisation::Optimisation;
pub use stack::Stack;
pub use toolchain::Toolchain;
