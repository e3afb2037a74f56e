//! The loader in multiboot form: for QEMU's direct boot, and for BIOS disks by syslinux's `mboot.c32`.
//!
//! The first module is the application with the boot arguments in its command line; a module named `boot.args`
//! holds them instead; any other module is the configuration file.
//! Invariant: everything that must survive the move of the application is copied into the loader first.

#![no_std]
#![no_main]

mod entry;
mod information;
mod screen;

use core::fmt::Write;
use core::panic::PanicInfo;

use boot::acpi::Root;
use boot::elf::Access;
use boot::handoff::{Machine, Part};
use boot::heap::Heap;
use boot::paging::{TABLES, Table};
use boot::place::Place;
use boot::serial::Serial;
use boot::{Range, Ranges, Refusal, plan, texts};

use crate::information::{Information, Module};
use crate::screen::Screen;

#[global_allocator]
static HEAP: Heap = Heap::new();

static PARTS: Place<[Part; 3]> = Place::new([const { (0..0, Access { write: false, execute: false }) }; 3]);
static POOL: Place<[Table; TABLES]> = Place::new([Table([0; 512]); TABLES]);
static ROOT: Place<Root> = Place::new(Root::EMPTY);
static ARGUMENTS: Place<[u8; texts::ARGUMENTS_LIMIT_BYTES]> = Place::new([0; texts::ARGUMENTS_LIMIT_BYTES]);
static CONFIG: Place<[u8; texts::CONFIGURATION_LIMIT_BYTES]> =
    Place::new([0; texts::CONFIGURATION_LIMIT_BYTES]);

/// Called by the entry code with what the boot loader left in EAX and EBX.
#[unsafe(no_mangle)]
unsafe extern "C" fn loader_main(magic: u32, information: u32) -> ! {
    // Safety: this is the entry code's one call; the boot loader's information is where it says.
    let refusal = unsafe { start(magic, information) }.unwrap_or_else(|refusal| refusal);
    refuse(format_args!("{refusal}"))
}

unsafe fn start(magic: u32, information: u32) -> Result<Refusal, Refusal> {
    if !entry::is_whole() {
        return Err(Refusal::LoaderBroken);
    }
    const ACPI: Refusal = Refusal::MachineUnfit("no ACPI tables found: give the machine ACPI");
    // Safety: the entry code has mapped the first 4 GiB; multiboot loaders run after a PC's BIOS.
    let (information, root) = unsafe { (Information::at(magic, information)?, Root::search().ok_or(ACPI)?) };
    let kept = ROOT.take();
    *kept = root;
    let mut free = information.free();
    free.remove(&(0..plan::LOWEST_BYTES));
    free.remove(&entry::all());
    let mut modules = information.modules();
    let application = modules.next().ok_or_else(|| plan::without_application(&free))?;
    let (arguments, config) = copy_texts(application.arguments(), modules)?;
    let application = move_to_top(&free, application)?;
    let application = seal::open(application).map_err(Refusal::ApplicationBroken)?;
    let parts = PARTS.take();
    *parts = entry::parts();
    let machine = Machine { free, application, arguments, config, root: kept, parts, pool: POOL.take() };
    // Safety: the entry code left interrupts off and 4 GiB mapped; the texts were copied into the loader.
    Ok(unsafe { machine.start() })
}

/// Copies the boot arguments and the configuration into the loader, out of the way of the application.
fn copy_texts<'a>(
    line: &'a [u8],
    modules: impl Iterator<Item = Module<'a>>,
) -> Result<(&'static str, &'static [u8]), Refusal> {
    let (mut arguments, mut config): (&[u8], &[u8]) = (line, &[]);
    for module in modules {
        match module.is_named(b"boot.args") {
            true => arguments = module.content,
            false => config = module.content,
        }
    }
    let (arguments, config) = (texts::arguments(arguments)?, texts::configuration(config)?);
    let arguments = keep(ARGUMENTS.take(), arguments.as_bytes());
    Ok((core::str::from_utf8(arguments).map_err(|_| Refusal::ArgumentsBroken)?, keep(CONFIG.take(), config)))
}

fn keep(place: &'static mut [u8], text: &[u8]) -> &'static [u8] {
    // The texts were checked against the limits that the places have.
    let place = &mut place[..text.len()];
    place.copy_from_slice(text);
    place
}

/// Moves the application's file to the top of memory, so that the application itself can go to the bottom.
fn move_to_top(free: &Ranges, application: Module<'_>) -> Result<&'static [u8], Refusal> {
    let (from, len) = (application.content.as_ptr(), application.content.len());
    let needs_mib = 128;
    let small = || Refusal::MemoryTooSmall { has_mib: free.bytes() >> 20, needs_mib };
    let Range { start, .. } = plan::top(free, len as u64).ok_or_else(small)?;
    let to = start as *mut u8;
    // Safety: the new place is free memory, mapped, and holds nothing that is still needed; the two may overlap.
    unsafe {
        from.copy_to(to, len);
        Ok(core::slice::from_raw_parts(to, len))
    }
}

/// Says why on both consoles and powers off with a failure status.
fn refuse(reason: core::fmt::Arguments<'_>) -> ! {
    entry::restore_tables();
    // A console that cannot be written to must not keep the machine from powering off.
    let _ = writeln!(Serial::new(), "\nbootstack: refused: {reason}");
    let _ = writeln!(Screen::new(), "bootstack: refused: {reason}");
    boot::refusal::leave();
    // Safety: the machine was started by its BIOS, and 4 GiB are mapped at their own address.
    unsafe {
        if let Some(root) = Root::search() {
            root.power_off();
        }
    }
    boot::refusal::halt()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    refuse(format_args!("the loader failed: {info}: write the image to this disk again"))
}
