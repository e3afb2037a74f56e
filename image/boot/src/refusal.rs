//! Why the loader will not start the application. Invariant: every refusal says what is wrong and what to do.

use core::fmt;

use seal::Broken;

/// A reason not to start, shown after `bootstack: refused: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The boot medium has no application.
    ApplicationMissing,
    /// The application could not be read whole.
    ApplicationUnreadable,
    /// The application is not what was sealed.
    ApplicationBroken(Broken),
    /// The application's seal fits, but it is no program for this loader.
    ApplicationUnfit(&'static str),
    /// The boot arguments are not one line of text that was sealed.
    ArgumentsBroken,
    /// The boot arguments have more than [`crate::texts::ARGUMENTS_LIMIT_BYTES`].
    ArgumentsTooLong,
    /// The configuration file is not what was sealed.
    ConfigurationBroken,
    /// The configuration file has more than [`crate::texts::CONFIGURATION_LIMIT_BYTES`].
    ConfigurationTooLong,
    /// The loader itself is not what was built.
    LoaderBroken,
    /// The machine has too little memory.
    MemoryTooSmall {
        /// What the machine has, in MiB.
        has_mib: u64,
        /// What it should have at least, in MiB.
        needs_mib: u64,
    },
    /// Loader and machine do not fit: what is missing.
    MachineUnfit(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REWRITE: &str = "write the image to this disk again";
        match self {
            Self::ApplicationMissing => write!(f, "no application on the boot medium: {REWRITE}"),
            Self::ApplicationUnreadable => write!(f, "the application cannot be read: {REWRITE}"),
            Self::ApplicationBroken(how) => write!(f, "the application {how}: {REWRITE}"),
            Self::ApplicationUnfit(why) => write!(f, "the application {why}: build the image again"),
            Self::ArgumentsBroken => write!(f, "the boot arguments are damaged: {REWRITE}"),
            Self::ArgumentsTooLong => f.write_str("the boot arguments are longer than 4 KiB: shorten them"),
            Self::ConfigurationBroken => {
                f.write_str("the configuration file is damaged: place it on this disk again")
            }
            Self::ConfigurationTooLong => {
                f.write_str("the configuration file is larger than 64 KiB: place a smaller one on this disk")
            }
            Self::LoaderBroken => write!(f, "the loader is damaged: {REWRITE}"),
            Self::MemoryTooSmall { has_mib, needs_mib } => {
                write!(f, "{has_mib} MiB of memory are too little: give the machine {needs_mib} MiB")
            }
            Self::MachineUnfit(what) => write!(f, "{what}"),
        }
    }
}

/// The I/O port of QEMU's `isa-debug-exit` as our machines have it.
const EXIT_PORT: u16 = 0xf4;
/// QEMU's exit status becomes twice this plus one: 33. Hermit ends with 3 when its application succeeds.
const EXIT_VALUE: u32 = 16;

/// Ends QEMU with a failure status, if the machine has the device for it; returns otherwise.
pub fn leave() {
    // Safety: on a machine without the device no one listens at this port.
    unsafe { crate::port::write_u32(EXIT_PORT, EXIT_VALUE) }
}

/// Stops the processor for good.
pub fn halt() -> ! {
    loop {
        // Safety: with interrupts off the processor sleeps for ever, which is the purpose.
        unsafe { core::arch::asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
