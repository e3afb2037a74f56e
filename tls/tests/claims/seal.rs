//! Sealed secrets open with their key and for their purpose only.

use tls::seal::StorageKey;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEXT: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn a_secret_opens_for_its_purpose_and_for_no_other() {
    let key = StorageKey::from_base64([KEY]).unwrap();
    let sealed = key.seal("certificates www.foobar.com", b"secret").unwrap();
    assert_eq!(key.open("certificates www.foobar.com", &sealed).unwrap(), b"secret");
    let error = key.open("acme_orders www.foobar.com", &sealed).unwrap_err();
    assert!(error.to_string().contains("sealed with another storage key"), "{error}");
    assert_ne!(sealed, key.seal("certificates www.foobar.com", b"secret").unwrap(), "a nonce was used twice");
}

#[test]
fn no_byte_of_it_can_be_changed_or_left_out() {
    let key = StorageKey::from_base64([KEY]).unwrap();
    let sealed = key.seal("purpose", b"secret").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(key.open("purpose", &changed).is_err(), "byte {at}");
        assert!(key.open("purpose", &sealed[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn a_key_is_replaced_by_putting_another_before_it() {
    let old = StorageKey::from_base64([KEY]).unwrap();
    let both = StorageKey::from_base64([NEXT, KEY]).unwrap();
    let new = StorageKey::from_base64([NEXT]).unwrap();
    let (before, after) = (old.seal("p", b"1").unwrap(), both.seal("p", b"2").unwrap());
    assert_eq!(both.open("p", &before).unwrap(), b"1");
    assert_eq!(new.open("p", &after).unwrap(), b"2");
    assert!(new.open("p", &before).is_err());
}

#[test]
fn text_that_is_no_key_is_refused_and_not_quoted() {
    for wrong in ["", "hunter2", "AAECAwQFBgcICQoLDA0ODw=="] {
        let error = StorageKey::from_base64([wrong]).unwrap_err().to_string();
        assert_eq!(error, "a storage key is 32 bytes in base64: `openssl rand -base64 32` makes one");
    }
    assert!(StorageKey::from_base64([]).is_err());
}
