//! What serves the box: DHCP for its machines and names for its visitors by dnsmasq, the site's zone by two Knots, primary and
//! secondary.
//!
//! It writes their files; the box's own script runs them. Invariant: a zone that was changed by a release is kept, files are
//! written anew only where they are ours.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::machines::mac;
use super::{DATABASE, NETWORK, NUMBERS, RESOLVER, SERVERS};
use crate::dns::absolute;
use crate::site::write_secret;

/// The TSIG key's file below the box's folder.
pub(super) const KEY: &str = "release.key";
/// 256 bits, as long as the MAC (RFC 8945, 8).
const SECRET_BYTES: usize = 32;

/// Writes every server's file below `folder` for a zone.
pub(super) fn write(folder: &Path, zone: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    let secret = secret()?;
    let key = format!("key \"release\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n");
    write_secret(&folder.join(KEY), key.as_bytes())?;
    ::image::layout::replace_with(&folder.join("dnsmasq.conf"), dhcp(folder).as_bytes())?;
    ::image::layout::replace_with(&folder.join("resolver.conf"), resolver(zone).as_bytes())?;
    for (index, name) in ["primary", "secondary"].iter().enumerate() {
        let storage = folder.join(name);
        fs::create_dir_all(&storage).with_context(|| format!("cannot create {}", storage.display()))?;
        write_secret(&storage.join("knot.conf"), knot(&storage, zone, index, &secret).as_bytes())?;
    }
    let file = folder.join("primary").join("zone");
    if file.exists() { Ok(()) } else { ::image::layout::replace_with(&file, zone_file(zone).as_bytes()) }
}

fn secret() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; SECRET_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(STANDARD.encode(bytes))
}

/// Each hardware address has its address for good.
fn dhcp(folder: &Path) -> String {
    let [a, b, c] = NETWORK;
    let numbers = NUMBERS.chain([DATABASE.octets()[3]]);
    let hosts = numbers.map(|number| format!("dhcp-host={},{a}.{b}.{c}.{number}\n", mac(number)));
    format!(
        "port=0\ninterface=br0\nbind-interfaces\ndhcp-range={a}.{b}.{c}.5,static,255.255.255.0,24h\n\
         dhcp-leasefile={}\n{}",
        folder.join("leases").display(),
        hosts.collect::<String>()
    )
}

/// As a visitor's provider has one: it keeps answers for their time to live.
fn resolver(zone: &str) -> String {
    let asked = SERVERS.map(|server| format!("server=/{}/{server}\n", zone.trim_end_matches('.'))).concat();
    format!("listen-address={RESOLVER}\nbind-interfaces\nno-resolv\nno-hosts\npid-file=\n{asked}")
}

fn knot(storage: &Path, zone: &str, index: usize, secret: &str) -> String {
    let (own, peer) = (SERVERS[index], SERVERS[1 - index]);
    let role = ["notify: peer\n    acl: [update, peer]", "master: peer\n    acl: peer"][index];
    let (zone, at) = (absolute(zone), storage.display());
    format!(
        "server:\n  rundir: \"{at}\"\n  listen: {own}@53\n\
         log:\n  - target: stderr\n    any: info\n\
         database:\n  storage: \"{at}\"\n\
         key:\n  - id: release\n    algorithm: hmac-sha256\n    secret: {secret}\n\
         remote:\n  - id: peer\n    address: {peer}@53\n    via: {own}\n\
         acl:\n  - id: update\n    key: release\n    action: update\n\
         \x20 - id: peer\n    address: {peer}\n    action: [transfer, notify]\n\
         zone:\n  - domain: {zone}\n    storage: \"{at}\"\n    file: zone\n    zonefile-sync: -1\n    journal-content: all\n    {role}\n"
    )
}

fn zone_file(zone: &str) -> String {
    let [first, second] = SERVERS;
    format!(
        "$ORIGIN {}\n$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\n@ NS ns2\n\
         ns1 A {first}\nns2 A {second}\n",
        absolute(zone)
    )
}
