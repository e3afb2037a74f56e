//! dns-01 with a real authority (Pebble, strict) that asks a real name server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::machine::free_port;
use ::image::wait::{Status, wait_until};
use tls::Key;
use tls::authority::Authority as Root;

use super::order::{Authority, obtain};
use crate::dns::Form;
use crate::dns::tests::servers::{Make, Servers};

/// Ends with this value.
struct Pebble {
    child: Child,
    directory: String,
    roots: String,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pebble {
    fn start(folder: &Path, name_server: &str) -> Self {
        let root = Root::open(&folder.join("ca")).unwrap();
        let issued = root.issue(&["localhost", "127.0.0.1"], 1).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain, issued.certificate_chain).unwrap();
        fs::write(&key, issued.private_key).unwrap();
        let (port, management) = (free_port().unwrap(), free_port().unwrap());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": chain, "privateKey": key, "httpPort": 1, "tlsPort": 1,
            "externalAccountBindingRequired": false,
        }});
        let path = folder.join("pebble.json");
        fs::write(&path, config.to_string()).unwrap();
        let log = fs::File::create(folder.join("pebble.log")).unwrap();
        let child = Command::new("pebble")
            .arg(format!("-config={}", path.display()))
            .arg(format!("-dnsserver={name_server}"))
            .arg("-strict")
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_until(Duration::from_secs(30), "pebble", || {
            Ok(match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Status::Reached(()),
                Err(error) => Status::Pending(error.to_string()),
            })
        })
        .unwrap();
        let directory = format!("https://localhost:{port}/dir");
        Self { child, directory, roots: root.certificate_pem().to_owned() }
    }
}

#[test]
fn a_name_and_its_wildcard_are_proven_by_texts_that_are_gone_afterwards() {
    for make in Make::ALL {
        let servers = Servers::start(make);
        let zone = servers.zone(Form::Address, true);
        let folder = tempfile::tempdir().unwrap();
        let pebble = Pebble::start(folder.path(), &servers.primary.server.address.to_string());
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
    let pebble = Pebble::start(folder.path(), &servers.primary.server.address.to_string());
    let authority =
        Authority { directory: &pebble.directory, roots: Some(pebble.roots.clone()), contact: Vec::new() };
    let zone = servers.zone(Form::Address, false);
    let refused = obtain(&authority, &Key::generate().unwrap(), &["www.foobar.com".to_owned()], &zone);
    let words = format!("{:#}", refused.err().unwrap());
    assert!(words.contains("does not know the key release."), "{words}");
}
