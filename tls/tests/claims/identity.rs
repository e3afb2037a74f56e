//! Every way in which a certificate, a key, a name or a date can be wrong is refused with its reason.

use std::time::Duration;

use crate::memory::{authority, certificate};
use expect_test::{Expect, expect};
use tls::Identity;
use tls::authority::Issued;
use tls::rustls::pki_types::UnixTime;

const HOST: &str = "www.foobar.com";

fn issued() -> Issued {
    authority().issue(&[HOST, "10.0.2.2"], 90).unwrap()
}

fn in_days(days: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + days * 86_400))
}

fn refused(chain: &str, key: &str, names: &[&str], now: UnixTime, reason: &Expect) {
    let error = Identity::from_pem(chain, key, names, now).unwrap_err();
    reason.assert_eq(&error.to_string());
}

#[test]
fn a_fresh_certificate_is_accepted_for_its_names_and_addresses() {
    let Issued { certificate_chain, private_key } = issued();
    let names = [HOST, "10.0.2.2"];
    let identity = Identity::from_pem(&certificate_chain, &private_key, &names, UnixTime::now()).unwrap();
    let left_s = identity.not_after().as_secs() - UnixTime::now().as_secs();
    assert!((89 * 86_400..=90 * 86_400).contains(&left_s), "{left_s} s left");
}

#[test]
fn a_chain_with_its_root_is_accepted_in_order_only() {
    let authority = authority();
    let Issued { certificate_chain, private_key } = authority.issue(&[HOST], 90).unwrap();
    let root = authority.certificate_pem();
    let good = format!("{certificate_chain}{root}");
    Identity::from_pem(&good, &private_key, &[HOST], UnixTime::now()).unwrap();

    let reversed = format!("{root}{certificate_chain}");
    let reason = expect!["the first certificate is a CA's: put the server's own certificate first"];
    refused(&reversed, &private_key, &[HOST], UnixTime::now(), &reason);
}

#[test]
fn a_strangers_issuer_is_refused() {
    let Issued { certificate_chain, private_key } = issued();
    let chain = format!("{certificate_chain}{}", authority().certificate_pem());
    let reason =
        expect!["certificate 2 did not sign the one before it: order the chain leaf first, then its issuer"];
    refused(&chain, &private_key, &[HOST], UnixTime::now(), &reason);
}

#[test]
fn another_pairs_key_is_refused() {
    let reason = expect!["the private key does not belong to the first certificate"];
    refused(&issued().certificate_chain, &issued().private_key, &[HOST], UnixTime::now(), &reason);
}

#[test]
fn a_wrong_name_is_refused_with_the_names_that_there_are() {
    let Issued { certificate_chain, private_key } = issued();
    let reason =
        expect!["the certificate is not valid for www.example.com: it names www.foobar.com, 10.0.2.2"];
    refused(&certificate_chain, &private_key, &["www.example.com"], UnixTime::now(), &reason);
    let reason = expect![[r#""no name" is neither a DNS name nor an IP address"#]];
    refused(&certificate_chain, &private_key, &["no name"], UnixTime::now(), &reason);
}

#[test]
fn dates_are_judged_by_the_time_given() {
    let Issued { certificate_chain, private_key } = issued();
    let late = expect!["the certificate expired 25 hours ago: renew it, or set the clock"];
    refused(&certificate_chain, &private_key, &[HOST], in_days(91), &late);
    let early = UnixTime::since_unix_epoch(Duration::from_secs(0));
    let error = Identity::from_pem(&certificate_chain, &private_key, &[HOST], early).unwrap_err();
    assert!(matches!(error, tls::Error::NotYetValid { .. }), "{error}");
}

#[test]
fn text_that_is_no_certificate_is_refused() {
    let key = issued().private_key;
    let now = UnixTime::now();
    let none = expect!["no certificate found: expected PEM that begins with -----BEGIN CERTIFICATE-----"];
    refused("", &key, &[HOST], now, &none);
    let cut = expect!["certificate 1 is not valid PEM"];
    refused("-----BEGIN CERTIFICATE-----\nMAA=\n", &key, &[HOST], now, &cut);
    let empty = expect!["certificate 1 of the chain cannot be used"];
    refused(&certificate("MAA="), &key, &[HOST], now, &empty);
}

#[test]
fn text_that_is_no_key_is_refused_and_never_quoted() {
    let chain = issued().certificate_chain;
    let now = UnixTime::now();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let reason = expect!["the private key is encrypted: decrypt it first, `openssl pkey -in KEY -out PLAIN`"];
    refused(&chain, encrypted, &[HOST], now, &reason);
    let none = expect!["no private key found: expected PEM that begins with -----BEGIN PRIVATE KEY-----"];
    refused(&chain, "hunter2", &[HOST], now, &none);
    let unknown = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let reason = expect![
        "the private key is of no supported kind (ECDSA P-256 or P-384, Ed25519, RSA 2048 to 8192 bits)"
    ];
    refused(&chain, unknown, &[HOST], now, &reason);
}

#[test]
fn debug_shows_no_key() {
    let Issued { certificate_chain, private_key } = issued();
    let identity = Identity::from_pem(&certificate_chain, &private_key, &[HOST], UnixTime::now()).unwrap();
    let shown = format!("{identity:?}");
    assert!(shown.starts_with("Identity { not_after: ") && shown.len() < 80, "{shown}");
}

/// A leaf with the extension that says where its issuer is, as all public CAs write them.
#[test]
fn a_public_cas_leaf_without_its_issuer_is_refused() {
    let key = tls::Key::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1]);
    params.serial_number = Some(vec![1].into());
    // AuthorityInfoAccessSyntax with one caIssuers entry, a URI (RFC 5280, 4.2.2.1).
    let mut access = vec![0x30, 0x18, 0x30, 0x16, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    access.extend([0x86, 0x0a]);
    access.extend(b"http://ca/");
    params.custom_extensions =
        vec![rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)];
    let chain = params.self_signed(&key).unwrap().pem();
    let reason = expect![[
        r#"the certificate of its issuer, CN=rcgen self signed cert, is missing: append it (the CA's "full chain")"#
    ]];
    refused(&chain, &key.to_pem().unwrap(), &[HOST], UnixTime::now(), &reason);
}
