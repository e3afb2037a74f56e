//! Files whose content the kernel makes when they are opened, as those below Linux's `/proc`.
//!
//! They cannot be written. Invariant: one opening sees one moment, however often it reads.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::fd::{AccessPermission, ObjectInterface};
use crate::fs::{FileAttr, NodeKind, VfsNode};
use crate::io;

/// A file's place in a folder: what opening it gives.
#[derive(Debug)]
pub(super) struct Node {
    open: fn() -> Arc<dyn ObjectInterface>,
}

impl Node {
    pub(super) fn new(open: fn() -> Arc<dyn ObjectInterface>) -> Self {
        Self { open }
    }
}

impl VfsNode for Node {
    fn get_kind(&self) -> NodeKind {
        NodeKind::File
    }

    fn get_object(&self) -> io::Result<Arc<dyn ObjectInterface>> {
        Ok((self.open)())
    }

    fn get_file_attributes(&self) -> io::Result<FileAttr> {
        Ok(attributes())
    }

    fn traverse_stat(&self, _: &mut alloc::vec::Vec<&str>) -> io::Result<FileAttr> {
        Ok(attributes())
    }

    fn traverse_lstat(&self, _: &mut alloc::vec::Vec<&str>) -> io::Result<FileAttr> {
        Ok(attributes())
    }
}

/// The size is unknown before it is read, as on Linux.
fn attributes() -> FileAttr {
    FileAttr { st_mode: AccessPermission::S_IFREG | AccessPermission::S_IRUSR, ..FileAttr::default() }
}

/// Text that was made when the file was opened.
#[derive(Debug)]
pub(super) struct Text {
    content: String,
    position: AtomicUsize,
}

impl Text {
    pub(super) fn new(content: String) -> Arc<dyn ObjectInterface> {
        Arc::new(Self { content, position: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl ObjectInterface for Text {
    async fn read(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let start = self.position.load(Ordering::Relaxed);
        let rest = &self.content.as_bytes()[start..];
        let length = rest.len().min(buf.len());
        buf[..length].write_copy_of_slice(&rest[..length]);
        self.position.store(start + length, Ordering::Relaxed);
        Ok(length)
    }

    async fn fstat(&self) -> io::Result<FileAttr> {
        Ok(attributes())
    }
}
