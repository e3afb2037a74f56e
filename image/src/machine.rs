//! Machines in QEMU: the only place that knows its name.
//!
//! It starts machines, watches them and ends them; it does not know what a guest serves. Invariant: a machine dies
//! when its handle is dropped, or when the program that holds the handle dies, unless it was let go with
//! [`Machine::detach`].
mod accel;
mod arguments;
mod card;
mod firmware;
mod folder;
mod guard;
mod names;
mod ports;
mod process;
pub mod qemu;
mod qmp;
mod recipes;
mod running;
mod serial;
mod spec;

pub use accel::{Choice, choose};
pub use arguments::debug_exit_status;
pub use firmware::{Firmware, find as find_firmware};
pub use names::{GUEST_WIRE, HOST_WIRE};
pub use ports::{check_free, free_port};
pub use recipes::{DbBoot, DbPorts, WebBoot, WebPorts, db, web};
pub use running::{Ended, Machine};
pub use spec::{
    Accel, Access, Boot, Content, Credential, Disk, Forward, Module, Network, Pace, Spec, Variation,
};
