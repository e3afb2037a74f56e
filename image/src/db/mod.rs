//! The db machine: Linux with MySQL 9.7, its data on a volume.
//!
//! The guest's own files lie in `image/linux/root`, laid out as in the guest; everything else in it is unpacked Debian
//! packages of which no maintainer script has run. The same MySQL runs on the host ([`Mysqld`]).

mod brought;
mod build;
mod client;
mod contents;
mod credentials;
mod initrd;
mod inputs;
mod linux;
mod modules;
mod mysqld;
mod operator;
mod root;
mod tree;
mod uki;
mod volume;

pub use brought::Brought;
pub use build::{DbImage, build};
pub(crate) use build::{only_entry, unpacked_linux};
pub use client::{Client, Login};
pub use credentials::place_credentials;
pub(crate) use initrd::Archive;
pub(crate) use modules::{Modules, uncompressed};
pub use mysqld::{Certificates, Mysqld, Passwords};
pub use operator::{Offer, Operator, Shown};
pub(crate) use root::{erofs, overlay as copy_over};
pub use tree::{Tree, host_tree, test_programs};
pub use volume::make_volume;
