//! The loader as a UEFI application: `\EFI\BOOT\BOOTX64.EFI` of the boot disk.
//!
//! It reads the application, the boot arguments and the configuration file from the EFI system partition that it
//! was started from, and no other.
//! Invariant: after boot services have ended, the loader stands on a stack of its own and calls none of them.

#![no_std]
#![no_main]

mod exit;
mod files;
mod image;
mod memory;

use core::panic::PanicInfo;

use boot::acpi::Root;
use boot::elf::Program;
use boot::handoff::Machine;
use boot::heap::Heap;
use boot::place::Place;
use boot::{Refusal, plan, texts};
use uefi::Status;
use uefi::table::cfg::ConfigTableEntry;

#[global_allocator]
static HEAP: Heap = Heap::new();

static ROOT: Place<Root> = Place::new(Root::EMPTY);
static ARGUMENTS: Place<[u8; texts::ARGUMENTS_LIMIT_BYTES]> = Place::new([0; texts::ARGUMENTS_LIMIT_BYTES]);
static CONFIG: Place<[u8; texts::CONFIGURATION_LIMIT_BYTES]> =
    Place::new([0; texts::CONFIGURATION_LIMIT_BYTES]);

#[uefi::entry]
fn main() -> Status {
    match prepare() {
        Ok(machine) => exit::leave_firmware(machine),
        Err(refusal) => exit::refuse(format_args!("{refusal}")),
    }
}

/// Finds out everything while the firmware is still there to say so on its screen.
fn prepare() -> Result<Machine, Refusal> {
    let root = ROOT.take();
    *root = find_root().ok_or(Refusal::MachineUnfit("no ACPI tables found: give the machine ACPI"))?;
    let mut disk = files::boot_disk()?;
    files::check_loader(&mut disk)?;
    let arguments =
        match files::read_into(&mut disk, uefi::cstr16!(r"\bootstack\boot.args"), ARGUMENTS.take()) {
            Ok(file) => texts::arguments(file.unwrap_or_default())?,
            Err(_) => return Err(Refusal::ArgumentsTooLong),
        };
    let config = match files::read_into(&mut disk, uefi::cstr16!(r"\bootstack\config.toml"), CONFIG.take()) {
        Ok(file) => texts::configuration(file.unwrap_or_default())?,
        Err(_) => return Err(Refusal::ConfigurationTooLong),
    };
    let application = files::read_application(&mut disk)?;
    let application = seal::open(application).map_err(Refusal::ApplicationBroken)?;
    let (parts, pool) = (image::parts()?, memory::pool()?);
    let machine = Machine { free: memory::now()?, application, arguments, config, root, parts, pool };
    let program = Program::parse(application)?;
    let file = application.as_ptr_range();
    plan::decide(&machine.free, &(file.start as u64..file.end as u64), program.image_bytes)?;
    Ok(machine)
}

fn find_root() -> Option<Root> {
    uefi::system::with_config_table(|tables| {
        let find = |guid| tables.iter().find(|table| table.guid == guid);
        let table = find(ConfigTableEntry::ACPI2_GUID).or_else(|| find(ConfigTableEntry::ACPI_GUID))?;
        // Safety: the firmware says that a root pointer is there; revision 1's is followed by readable memory.
        unsafe { Root::at(table.address as u64) }
    })
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    exit::refuse(format_args!("the loader failed: {info}: write the image to this disk again"))
}
