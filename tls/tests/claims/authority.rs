//! The development CA is made once, kept, and never handed to others.

use std::os::unix::fs::PermissionsExt as _;

use tls::authority::Authority;
use tls::rustls::pki_types::UnixTime;

#[test]
fn a_second_opening_finds_the_same_ca() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::open(folder.path()).unwrap();
    let second = Authority::open(folder.path()).unwrap();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    // What the reopened CA issues is trusted by who trusted the first.
    let issued = second.issue(&["www.foobar.com"], 1).unwrap();
    let chain = format!("{}{}", issued.certificate_chain, first.certificate_pem());
    tls::Identity::from_pem(&chain, &issued.private_key, &["www.foobar.com"], UnixTime::now()).unwrap();
}

#[test]
fn only_the_owner_can_read_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path()).unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().join("ca.key")), 0o600);
    assert_eq!(mode(authority.certificate_path()), 0o644);
}

#[test]
fn openings_at_once_end_with_one_ca() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Authority::open(folder.path()).unwrap().certificate_pem().to_owned();
    let roots: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
}

#[test]
fn a_ca_that_was_cut_off_while_being_made_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.key"), "cut").unwrap();
    Authority::open(folder.path()).unwrap().issue(&["www.foobar.com"], 1).unwrap();
}

#[test]
fn a_damaged_ca_is_refused_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(Authority::open(folder.path()).unwrap());
    std::fs::write(folder.path().join("ca.key"), "damaged").unwrap();
    let Err(error) = Authority::open(folder.path()) else { panic!("a damaged key was accepted") };
    assert!(error.to_string().contains("ca.key holds no P-256 key: delete the folder"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("ca.key")).unwrap(), b"damaged");
}

#[test]
fn nothing_is_issued_without_a_name_or_for_longer_than_90_days() {
    let authority = crate::memory::authority();
    assert!(authority.issue(&[], 90).is_err());
    assert!(matches!(authority.issue(&["a b"], 90), Err(tls::Error::BadName { .. })));
    let issued = authority.issue(&["www.foobar.com"], 365).unwrap();
    let identity =
        tls::Identity::from_pem(&issued.certificate_chain, &issued.private_key, &[], UnixTime::now())
            .unwrap();
    assert!(identity.not_after().as_secs() <= UnixTime::now().as_secs() + 90 * 86_400);
}
