//! What is stored for the machines, in a real MySQL on this host; that machines present it is a story of booted ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::fs;
use std::time::Duration;

use ::image::Layout;
use tls::authority::Issued;
use tls::rustls::pki_types::UnixTime;
use tls::seal::{StorageKey, of_certificate};

use super::bring::{Machine, bring};
use super::database_tests::{Server, authority};
use crate::site::Places;

const DAY_S: u64 = 86_400;

/// The configuration of a machine, and its table of certificates.
fn machine(server: &Server) -> Machine {
    let places = Places {
        http: "0.0.0.0:80",
        https: "0.0.0.0:443",
        public_port: 443,
        database_host: "127.0.0.1",
        database_port: server.port,
    };
    let config = server.site.config(&places).unwrap();
    let machine = Machine::parse(std::str::from_utf8(&config).unwrap()).unwrap();
    let layout = Layout::here().unwrap();
    let client = machine.client(&layout).unwrap();
    let path = layout.root().join("service/db/migrations/0052_brought_certificates.sql");
    client.ask(&format!("USE site;\n{}", fs::read_to_string(path).unwrap())).unwrap();
    machine
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[test]
fn what_is_brought_is_stored_sealed_and_what_machines_would_not_take_is_refused() {
    let server = Server::start();
    let (layout, mut machine) = (Layout::here().unwrap(), machine(&server));
    let host = machine.host.clone();
    let now_s = UnixTime::now().as_secs();
    let ca = authority(&server.folder.path().join("site/data/ca"));
    let from = |from_s: u64, days: u16| {
        ca.issue_from(&[&host], UnixTime::since_unix_epoch(Duration::from_secs(from_s)), days).unwrap()
    };
    let offer = |machine: &Machine, issued: &Issued| {
        let chain = format!("Für Menschen: {host}\n{}", issued.certificate_chain);
        bring(&layout, machine, &chain, &issued.private_key)
    };
    // A key of RSA with 4,096 bits has 3.2 KiB.
    let short = from(now_s - DAY_S, 5);
    let good = Issued { private_key: "as long as RSA's\n".repeat(200) + &short.private_key, ..short };
    // Written when the machine started: older, by a day.
    machine.tls.certificate_chain = Some(from(now_s - 2 * DAY_S, 5).certificate_chain);
    let swapped = Issued { private_key: from(now_s, 5).private_key, ..from(now_s - 60, 5) };
    let cases = [
        (from(now_s - 9 * DAY_S, 5), "expired"),
        (from(now_s + DAY_S, 5), "valid only in"),
        (ca.issue(&["www.example.com"], 5).unwrap(), "www.example.com"),
        (swapped, "key"),
        (from(now_s - 3 * DAY_S, 5), "written before"),
    ];
    for (issued, reason) in &cases {
        let told = format!("{:#}", offer(&machine, issued).unwrap_err());
        assert!(told.contains(reason), "{reason}: {told}");
    }
    let client = machine.client(&layout).unwrap();
    assert_eq!(client.brought("site", &host).unwrap(), None);

    offer(&machine, &good).unwrap();
    assert_eq!(client.brought("site", &host).unwrap().unwrap(), good.certificate_chain);
    let sealed = client.ask("SELECT HEX(sealed_key) FROM site.brought_certificates").unwrap();
    let storage = StorageKey::from_base64(machine.tls.storage_keys.iter().map(String::as_str)).unwrap();
    let opened = storage.open(&of_certificate(&host), &unhex(sealed.trim())).unwrap();
    assert_eq!(opened, good.private_key.as_bytes());
    let told = format!("{:#}", offer(&machine, &from(now_s - DAY_S - 60, 5)).unwrap_err());
    assert!(told.contains("written before"), "{told}");

    machine.tls.certificate_chain = None;
    let told = format!("{:#}", offer(&machine, &good).unwrap_err());
    assert!(told.contains("authorities"), "{told}");
}
