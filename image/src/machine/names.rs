//! The names of the files in a machine's folder.
//!
//! QEMU sees nothing else of the host. Invariant: every name is free of spaces, commas and folders, so that it needs
//! no escape in any option.

/// What the guest wrote to its first serial port.
pub(super) const SERIAL_LOG: &str = "serial.log";
/// What QEMU itself had to say.
pub(super) const QEMU_LOG: &str = "qemu.log";
/// QEMU's control socket.
pub(super) const QMP_SOCKET: &str = "qmp.sock";
/// QEMU's debugger port, while it is open.
pub(super) const DEBUG_SOCKET: &str = "debug.sock";
/// Process id and start time of the running QEMU.
pub(super) const PID_FILE: &str = "pid";
/// Where the machine's network card hears, and speaks to, one frame a datagram.
pub const GUEST_WIRE: &str = "guest.wire";
/// The other end.
pub const HOST_WIRE: &str = "host.wire";
/// Link to the state of a machine that this one goes on from.
pub(super) const SAVED: &str = "saved";
/// Link to a directly booted kernel.
pub(super) const KERNEL: &str = "kernel";
/// Link to the boot disk.
pub(super) const BOOT_DISK: &str = "boot.raw";
/// The UEFI firmware.
pub(super) const FIRMWARE: &str = "firmware";

/// Link to the multiboot module or initrd `index`.
pub(super) fn module(index: usize) -> String {
    format!("module{index}")
}

/// Link to the data disk `index`.
pub(super) fn disk(index: usize) -> String {
    format!("disk{index}.raw")
}

/// The credential file `index`.
pub(super) fn credential(index: usize) -> String {
    format!("credential{index}")
}
