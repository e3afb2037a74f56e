//! dns-01 with a real authority (Pebble, strict) that asks a real name server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ::image::wait::{Status, wait_until};
use tls::Key;

use super::order::{Authority, obtain};
use crate::dns::Form;
use crate::dns::tests::servers::{Make, Servers};
use crate::pebble::{Looks, Pebble};

/// An authority that asks this name server for texts.
fn pebble(folder: &Path, name_server: &str) -> Pebble {
    Pebble::start(folder, Looks { at: Ipv4Addr::LOCALHOST, name_server, https: 1, lifetime_s: None }).unwrap()
}

#[test]
fn a_name_and_its_wildcard_are_proven_by_texts_that_are_gone_afterwards() {
    for make in Make::ALL {
        let servers = Servers::start(make);
        let zone = servers.zone(Form::Address, true);
        let folder = tempfile::tempdir().unwrap();
        let pebble = pebble(folder.path(), &servers.primary.server.address.to_string());
        let authority = Authority {
            directory: &pebble.directory,
            roots: Some(pebble.roots.clone()),
            contact: Vec::new(),
        };
        let names = ["foobar.com".to_owned(), "*.foobar.com".to_owned()];
        obtain(&authority, &Key::generate().unwrap(), &names, &zone).unwrap();
        for server in &zone.servers {
            wait_until(Duration::from_secs(20), "an empty place", || {
                let texts = server.texts("_acme-challenge.foobar.com.")?;
                Ok(if texts.is_empty() { Status::Reached(()) } else { Status::Pending(format!("{texts:?}")) })
            })
            .unwrap();
        }
    }
}

#[test]
fn a_name_server_that_refuses_is_named() {
    let servers = Servers::start(Make::Knot);
    let folder = tempfile::tempdir().unwrap();
    let pebble = pebble(folder.path(), &servers.primary.server.address.to_string());
    let authority =
        Authority { directory: &pebble.directory, roots: Some(pebble.roots.clone()), contact: Vec::new() };
    let zone = servers.zone(Form::Address, false);
    let refused = obtain(&authority, &Key::generate().unwrap(), &["www.foobar.com".to_owned()], &zone);
    let words = format!("{:#}", refused.err().unwrap());
    assert!(words.contains("does not know the key release."), "{words}");
}
