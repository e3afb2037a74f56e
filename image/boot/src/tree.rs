//! The device tree by which the kernel learns of memory, ACPI, its arguments and the configuration file.
//!
//! Invariant: the names are those that hermit-kernel 0.11 looks up: `/memory@…` nodes, `/hermit,rsdp@…`, and
//! `bootargs` in `/chosen`. Ours are `bootstack,config`, which our port of the kernel shows as `/boot/config.toml`, and
//! `/bootstack,heap@…`, memory that it gives to its heap.

use alloc::format;
use alloc::vec::Vec;

use vm_fdt::{Error, FdtWriter};

use crate::Ranges;
use crate::plan::Plan;

/// Builds the tree. `rsdp` is the address of the ACPI root pointer.
///
/// # Errors
/// When an argument holds a null byte or the tree gets too large; texts within their limits do neither.
pub fn build(plan: &Plan, rsdp: u64, arguments: &str, config: &[u8]) -> Result<Vec<u8>, Error> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_string("compatible", "bootstack")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    chosen(&mut tree, arguments, config)?;
    let node = tree.begin_node(&format!("hermit,rsdp@{rsdp:x}"))?;
    tree.property_array_u64("reg", &[rsdp, 1])?;
    tree.end_node(node)?;
    ranges(&mut tree, "memory", &plan.free)?;
    ranges(&mut tree, "bootstack,heap", &plan.beside)?;
    tree.end_node(root)?;
    tree.finish()
}

fn chosen(tree: &mut FdtWriter, arguments: &str, config: &[u8]) -> Result<(), Error> {
    let node = tree.begin_node("chosen")?;
    tree.property_string("bootargs", arguments)?;
    if !config.is_empty() {
        tree.property("bootstack,config", config)?;
    }
    tree.end_node(node)
}

fn ranges(tree: &mut FdtWriter, name: &str, ranges: &Ranges) -> Result<(), Error> {
    for range in ranges.iter() {
        let node = tree.begin_node(&format!("{name}@{:x}", range.start))?;
        tree.property_string("device_type", "memory")?;
        tree.property_array_u64("reg", &[range.start, range.end - range.start])?;
        tree.end_node(node)?;
    }
    Ok(())
}
