//! Facts about the machine where Linux has them: `/proc/meminfo`, `/proc/uptime` and `/proc/sys/fs/file-nr`.
//!
//! Only what is true here is told: no caches, no swap. Invariant: the lines have Linux's form (proc(5)), so that one
//! reader serves both.

use alloc::boxed::Box;
use alloc::format;

use super::file::{Node, Text};
use crate::arch::mm::physicalmem;
use crate::fd::{self, AccessPermission};
use crate::net::wait;
use crate::{fs, io, mm};

/// Publishes the files. `/proc` exists.
pub(super) fn publish() -> io::Result<()> {
    fs::mount("/proc/meminfo", Box::new(Node::new(|| Text::new(meminfo()))))?;
    fs::mount("/proc/uptime", Box::new(Node::new(|| Text::new(uptime()))))?;
    for folder in ["/proc/sys", "/proc/sys/fs"] {
        fs::create_dir(folder, AccessPermission::S_IRUSR | AccessPermission::S_IXUSR)?;
    }
    fs::mount("/proc/sys/fs/file-nr", Box::new(Node::new(|| Text::new(open_files()))))
}

/// What is free is free for everybody: the heap's gaps, and the pages that are not mapped yet.
fn meminfo() -> alloc::string::String {
    let total = (physicalmem::total_memory_size() + mm::beside::bytes()) >> 10;
    let free = (mm::allocator::free_bytes() + physicalmem::PHYSICAL_FREE_LIST.lock().free_space()) >> 10;
    format!("MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {free:8} kB\n")
}

/// The second number is idle time on Linux; nobody counts it here.
fn uptime() -> alloc::string::String {
    let hundredths = wait::now() / 10_000;
    format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100)
}

/// Open, open but unused, and at most: there is one program, so its descriptors are all that there are.
fn open_files() -> alloc::string::String {
    format!("{}\t0\t{}\n", fd::table::count(), fd::table::MOST_DESCRIPTORS)
}
