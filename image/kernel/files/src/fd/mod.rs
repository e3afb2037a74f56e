//! Descriptors: the types of the system call interface, and reading, writing and polling by number.
//!
//! It does not know how sockets or files work. Sockets and event counters are served directly; files and the console
//! answer through `ObjectInterface`.
//!
//! Invariant: no call holds the table while it waits.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::time::Duration;

use async_trait::async_trait;
use hermit_sync::without_interrupts;

use crate::executor::block_on;
use crate::fs::{DirectoryEntry, FileAttr, SeekWhence};
use crate::io;
use crate::net::tcp::TcpSocket;

pub(crate) mod eventfd;
mod polling;
pub(crate) mod stdio;
pub(crate) mod table;
pub(crate) mod watch;

pub use polling::poll;
pub(crate) use table::{Open, find, insert, update};

pub(crate) const STDIN_FILENO: FileDescriptor = 0;
pub(crate) const STDOUT_FILENO: FileDescriptor = 1;
pub(crate) const STDERR_FILENO: FileDescriptor = 2;

pub(crate) type FileDescriptor = i32;

bitflags! {
    /// How a file is opened.
    #[derive(Debug, Copy, Clone, Default)]
    pub struct OpenOption: i32 {
        const O_RDONLY = 0;
        const O_WRONLY = 1;
        const O_RDWR = 2;
        const O_CREAT = 0o100;
        const O_EXCL = 0o200;
        const O_TRUNC = 0o1000;
        const O_APPEND = 0o2000;
        const O_NONBLOCK = 0o4000;
        const O_DIRECT = 0o40000;
        const O_DIRECTORY = 0o200_000;
    }
}

bitflags! {
    /// What `fcntl` can change.
    #[derive(Debug, Copy, Clone, Default)]
    pub struct StatusFlags: i32 {
        const O_APPEND = 0o2000;
        const O_NONBLOCK = 0o4000;
    }
}

bitflags! {
    /// What `poll` asks and answers.
    #[derive(Debug, Copy, Clone, Default, PartialEq, Eq)]
    pub struct PollEvent: i16 {
        const POLLIN = 0x1;
        const POLLPRI = 0x2;
        const POLLOUT = 0x4;
        const POLLERR = 0x8;
        const POLLHUP = 0x10;
        const POLLNVAL = 0x20;
        const POLLRDNORM = 0x40;
        const POLLRDBAND = 0x80;
        const POLLWRNORM = 0x100;
        const POLLWRBAND = 0x200;
        const POLLRDHUP = 0x2000;
    }
}

/// One question to `poll`.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct PollFd {
    /// The descriptor; a negative one is passed over.
    pub fd: i32,
    /// What is asked.
    pub events: PollEvent,
    /// What is so.
    pub revents: PollEvent,
}

bitflags! {
    /// How an event counter behaves.
    #[derive(Debug, Default, Copy, Clone)]
    pub struct EventFlags: i16 {
        const EFD_SEMAPHORE = 0o1;
        const EFD_NONBLOCK = 0o4000;
        const EFD_CLOEXEC = 0o40000;
    }
}

bitflags! {
    /// A file's kind and permissions.
    #[derive(Debug, Copy, Clone)]
    pub struct AccessPermission: u32 {
        const S_IFMT = 0o170_000;
        const S_IFSOCK = 0o140_000;
        const S_IFLNK = 0o120_000;
        const S_IFREG = 0o100_000;
        const S_IFBLK = 0o060_000;
        const S_IFDIR = 0o040_000;
        const S_IFCHR = 0o020_000;
        const S_IFIFO = 0o010_000;
        const S_IRUSR = 0o400;
        const S_IWUSR = 0o200;
        const S_IXUSR = 0o100;
        const S_IRWXU = 0o700;
        const S_IRGRP = 0o040;
        const S_IWGRP = 0o020;
        const S_IXGRP = 0o010;
        const S_IRWXG = 0o070;
        const S_IROTH = 0o004;
        const S_IWOTH = 0o002;
        const S_IXOTH = 0o001;
        const S_IRWXO = 0o007;
        // The application may set bits that have no name here.
        const _ = !0;
    }
}

impl Default for AccessPermission {
    fn default() -> Self {
        Self::from_bits_retain(0o666)
    }
}

/// An open file, directory or console. What an object cannot do, it leaves as it is here.
#[async_trait]
pub(crate) trait ObjectInterface: Sync + Send + core::fmt::Debug {
    async fn poll(&self, _event: PollEvent) -> io::Result<PollEvent> {
        Ok(PollEvent::empty())
    }

    async fn read(&self, _buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        Err(io::Error::ENOSYS)
    }

    async fn write(&self, _buf: &[u8]) -> io::Result<usize> {
        Err(io::Error::ENOSYS)
    }

    async fn lseek(&self, _offset: isize, _whence: SeekWhence) -> io::Result<isize> {
        Err(io::Error::EINVAL)
    }

    async fn fstat(&self) -> io::Result<FileAttr> {
        Err(io::Error::EINVAL)
    }

    async fn readdir(&self) -> io::Result<Vec<DirectoryEntry>> {
        Err(io::Error::EINVAL)
    }

    async fn status_flags(&self) -> io::Result<StatusFlags> {
        Err(io::Error::ENOSYS)
    }

    async fn set_status_flags(&self, _status_flags: StatusFlags) -> io::Result<()> {
        Err(io::Error::ENOSYS)
    }

    async fn isatty(&self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Bytes to fill, as bytes.
pub(crate) fn initialized(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // Safety: the callee only writes to them, and every bit pattern is a byte.
    unsafe { &mut *(core::ptr::from_mut(bytes) as *mut [u8]) }
}

/// Works with a TCP socket that never waits, with interrupts off from end to end: each lock on the way would turn them off
/// and on again, which is dear where the processor is emulated. `None` for everything else.
fn at_once<R>(
    fd: FileDescriptor,
    work: impl FnOnce(&TcpSocket) -> io::Result<R>,
) -> Option<io::Result<R>> {
    without_interrupts(|| {
        table::with(|table| match &table.get(fd)?.open {
            Open::Tcp(socket) if socket.is_nonblocking() => Some(work(socket)),
            _ => None,
        })
    })
}

pub(crate) fn read(fd: FileDescriptor, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    if !buf.is_empty()
        && let Some(result) = at_once(fd, |socket| socket.read(initialized(buf)))
    {
        return result;
    }
    let open = find(fd)?;
    if buf.is_empty() {
        return Ok(0);
    }
    match open {
        Open::Tcp(socket) => socket.read(initialized(buf)),
        Open::Udp(socket) => socket.receive_from(initialized(buf)).map(|(length, _)| length),
        Open::Event(event) => event.read(initialized(buf)),
        Open::Watch(_) => Err(io::Error::EINVAL),
        Open::Object(object) => block_on(object.read(buf), None),
    }
}

pub(crate) fn write(fd: FileDescriptor, buf: &[u8]) -> io::Result<usize> {
    if !buf.is_empty()
        && let Some(result) = at_once(fd, |socket| socket.write(buf))
    {
        return result;
    }
    let open = find(fd)?;
    if buf.is_empty() {
        return Ok(0);
    }
    match open {
        Open::Tcp(socket) => socket.write(buf),
        Open::Udp(socket) => socket.send_to(buf, None),
        Open::Event(event) => event.write(buf),
        Open::Watch(_) => Err(io::Error::EINVAL),
        Open::Object(object) => block_on(object.write(buf), None),
    }
}

pub(crate) fn lseek(fd: FileDescriptor, offset: isize, whence: SeekWhence) -> io::Result<isize> {
    block_on(get_object(fd)?.lseek(offset, whence), None)
}

pub fn fstat(fd: FileDescriptor) -> io::Result<FileAttr> {
    block_on(get_object(fd)?.fstat(), None)
}

pub(crate) fn isatty(fd: FileDescriptor) -> io::Result<bool> {
    block_on(get_object(fd)?.isatty(), None)
}

/// Opens an event counter: a number that is written to and read, and that can be waited for.
pub fn eventfd(initval: u64, flags: EventFlags) -> io::Result<FileDescriptor> {
    insert(Open::Event(Arc::new(eventfd::EventCounter::new(initval, flags))))
}

/// The object behind a descriptor, for what is neither fast nor about sockets.
pub(crate) fn get_object(fd: FileDescriptor) -> io::Result<Arc<dyn ObjectInterface>> {
    Ok(match find(fd)? {
        Open::Tcp(socket) => Arc::new(polling::Flags::Tcp(socket)),
        Open::Udp(socket) => Arc::new(polling::Flags::Udp(socket)),
        Open::Event(event) => Arc::new(polling::Flags::Event(event)),
        Open::Watch(_) => return Err(io::Error::EINVAL),
        Open::Object(object) => object,
    })
}

pub(crate) fn insert_object(object: Arc<dyn ObjectInterface>) -> io::Result<FileDescriptor> {
    insert(Open::Object(object))
}

pub(crate) fn dup_object(fd: FileDescriptor) -> io::Result<FileDescriptor> {
    insert(find(fd)?)
}

pub(crate) fn dup_object2(fd1: FileDescriptor, fd2: FileDescriptor) -> io::Result<FileDescriptor> {
    table::insert_at(find(fd1)?, fd2)
}

/// Closes a descriptor. What it named lives on while another descriptor names it.
pub(crate) fn remove_object(fd: FileDescriptor) -> io::Result<()> {
    table::remove(fd).map(drop)
}

/// How long `poll` may wait.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<u64> {
    timeout.map(|timeout| crate::net::wait::now().saturating_add(timeout.as_micros() as u64))
}
