//! The site: web server, application server and application files in one program.
//!
//! The library is the whole service, so that tests can send requests through its router without a socket; the binary
//! only calls it. It may not know the operating system it runs on, nor spawn processes.
//!
//! Invariant: all state that outlives a request is in MySQL, so any number of these may run, and any may die.

pub mod assets;
pub mod button;
pub mod certificates;
pub mod http;
pub mod log;
pub mod operations;
pub mod passwords;
pub mod program;
#[cfg(not(target_os = "hermit"))]
pub mod seed;
pub mod server;
pub mod userdata;

/// What the site calls itself on its pages.
pub const NAME: &str = "bootstack";
