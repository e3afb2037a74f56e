//! What the service promises without a database and without a socket: configuration, routes, connections.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]

mod api;
mod brought;
mod config;
mod connection;
mod crowd;
mod files;
mod fixture;
mod frames;
mod last;
mod log;
mod plain;
mod router;
mod userdata;
