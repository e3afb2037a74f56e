//! Which number names what. One table for the machine: it runs one application.
//!
//! It does not close anything while it is locked.
//!
//! Invariant: a new descriptor is the lowest number that is free.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hermit_sync::InterruptTicketMutex;

use super::eventfd::EventCounter;
use super::watch::Watch;
use super::stdio::{GenericStderr, GenericStdin, GenericStdout};
use super::{FileDescriptor, ObjectInterface};
use crate::io::{Error, Result};
use crate::net::ready::Ready;
use crate::net::tcp::TcpSocket;
use crate::net::udp::UdpSocket;

/// More is a leak, not a load: a connection costs more memory than its descriptor.
pub(crate) const MOST_DESCRIPTORS: usize = 65_536;

/// What a descriptor names.
#[derive(Clone, Debug)]
pub(crate) enum Open {
    Tcp(Arc<TcpSocket>),
    Udp(Arc<UdpSocket>),
    Event(Arc<EventCounter>),
    Watch(Arc<Watch>),
    Object(Arc<dyn ObjectInterface>),
}

impl Open {
    /// What `poll` looks at, if the object keeps it.
    pub(crate) fn ready(&self) -> Option<Arc<Ready>> {
        match self {
            Self::Tcp(socket) => Some(socket.ready()),
            Self::Udp(socket) => Some(socket.ready()),
            Self::Event(event) => Some(event.ready()),
            Self::Watch(_) | Self::Object(_) => None,
        }
    }
}

/// An object and, beside it, what `poll` looks at.
pub(super) struct Entry {
    pub(super) open: Open,
    pub(super) ready: Option<Arc<Ready>>,
}

impl From<Open> for Entry {
    fn from(open: Open) -> Self {
        Self { ready: open.ready(), open }
    }
}

/// The table.
pub(super) struct Table {
    entries: Vec<Option<Entry>>,
    /// No number below it is free.
    lowest_free: usize,
}

static TABLE: InterruptTicketMutex<Table> =
    InterruptTicketMutex::new(Table { entries: Vec::new(), lowest_free: 0 });

impl Table {
    pub(super) fn get(&self, fd: FileDescriptor) -> Option<&Entry> {
        self.entries.get(usize::try_from(fd).ok()?)?.as_ref()
    }

    fn open_console(&mut self) {
        if self.entries.is_empty() {
            let console: [Arc<dyn ObjectInterface>; 3] = [
                Arc::new(GenericStdin::new()),
                Arc::new(GenericStdout::new()),
                Arc::new(GenericStderr::new()),
            ];
            self.entries.extend(console.map(|object| Some(Open::Object(object).into())));
        }
    }

    fn insert(&mut self, open: Open) -> Result<FileDescriptor> {
        self.open_console();
        let free = (self.lowest_free..self.entries.len()).find(|fd| self.entries[*fd].is_none());
        let fd = free.unwrap_or(self.entries.len());
        if fd >= MOST_DESCRIPTORS {
            return Err(Error::EMFILE);
        }
        self.put(fd, open);
        self.lowest_free = fd + 1;
        Ok(fd as FileDescriptor)
    }

    fn put(&mut self, fd: usize, open: Open) -> Option<Entry> {
        while self.entries.len() <= fd {
            self.entries.push(None);
        }
        self.entries[fd].replace(open.into())
    }
}

/// Looks into the table.
pub(super) fn with<R>(work: impl FnOnce(&Table) -> R) -> R {
    let mut table = TABLE.lock();
    table.open_console();
    work(&table)
}

/// How many numbers name something.
pub(crate) fn count() -> usize {
    with(|table| table.entries.iter().flatten().count())
}

/// What a number names.
pub(crate) fn find(fd: FileDescriptor) -> Result<Open> {
    with(|table| table.get(fd).map(|entry| entry.open.clone()).ok_or(Error::EBADF))
}

/// Gives an object a number.
pub(crate) fn insert(open: Open) -> Result<FileDescriptor> {
    TABLE.lock().insert(open)
}

/// Gives an object this number, which names nothing else afterwards.
pub(super) fn insert_at(open: Open, fd: FileDescriptor) -> Result<FileDescriptor> {
    let index = usize::try_from(fd).ok().filter(|fd| *fd < MOST_DESCRIPTORS).ok_or(Error::EBADF)?;
    let replaced = TABLE.lock().put(index, open);
    drop(replaced);
    Ok(fd)
}

/// Frees a number. The caller drops what it named.
pub(super) fn remove(fd: FileDescriptor) -> Result<Open> {
    let mut table = TABLE.lock();
    let index = usize::try_from(fd).map_err(|_| Error::EBADF)?;
    let entry = table.entries.get_mut(index).and_then(Option::take).ok_or(Error::EBADF)?;
    table.lowest_free = table.lowest_free.min(index);
    Ok(entry.open)
}

/// Looks again at what `poll` should look at: a socket's becomes another when it becomes a connection.
pub(crate) fn update(fd: FileDescriptor) {
    let mut table = TABLE.lock();
    if let Some(Some(entry)) = usize::try_from(fd).ok().and_then(|fd| table.entries.get_mut(fd)) {
        let before = core::mem::replace(&mut entry.ready, entry.open.ready());
        if let (Some(before), Some(after)) = (before, &entry.ready)
            && !Arc::ptr_eq(&before, after)
            && let Some(watched) = before.unwatch()
        {
            after.watch(watched);
        }
    }
}
