//! The contract, kept by a small shell script, and the examples, as far as a host without a cloud can judge them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Keeps its machines in files of its own folder.
const SCRIPT: &str = r#"#!/bin/sh
set -eu
cd "$(dirname "$0")"
case "$1" in
place-image) cp "$3" "image-$2" ;;
start) cat > "user-data-$2"
  echo "{\"name\": \"$2\", \"image\": \"$3\", \"address\": \"192.0.2.7\", \"since_s\": 12}" | tee "machine-$2" ;;
list) echo "["; sep=""; for file in machine-*; do [ -e "$file" ] || continue; printf '%s' "$sep"; cat "$file"; sep=,; done; echo "]" ;;
stop) rm -f "machine-$2" ;;
address) exit 69 ;;
*) exit 69 ;;
esac
"#;

fn scripted(folder: &Path, text: &str) -> Commanded {
    let program = folder.join("provider");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    Commanded::new(&program)
}

#[test]
fn a_script_of_twelve_lines_is_a_provider() {
    let folder = tempfile::tempdir().unwrap();
    let mut provider = scripted(folder.path(), SCRIPT);
    let image = folder.path().join("web.raw");
    fs::write(&image, "bits").unwrap();
    assert_eq!(provider.list().unwrap(), []);
    provider.place_image(&image, "abc").unwrap();
    let machine = provider.start("abc", b"password = 'secret'").unwrap();
    assert_eq!((machine.name.as_str(), machine.since_s), ("web-abc", 12));
    assert_eq!(provider.list().unwrap(), [machine]);
    assert_eq!(fs::read_to_string(folder.path().join("user-data-web-abc")).unwrap(), "password = 'secret'");
    assert_eq!(provider.reserved().unwrap(), None);
    provider.keep_images(&["abc".to_owned()]).unwrap();
    provider.stop("web-abc").unwrap();
    assert_eq!(provider.list().unwrap(), []);
}

#[test]
fn a_provider_that_fails_or_babbles_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = scripted(folder.path(), "#!/bin/sh\nexit 3\n").list().unwrap_err();
    assert!(format!("{error:#}").contains("provider list failed: exit status: 3"), "{error:#}");
    let error = scripted(folder.path(), "#!/bin/sh\necho hello\n").list().unwrap_err();
    assert!(format!("{error:#}").contains("provider list printed \"hello"), "{error:#}");
}

#[test]
fn the_examples_are_shell_and_know_every_verb() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let examples: Vec<_> =
        ["openstack", "google-cloud", "hetzner", "digitalocean"].map(|name| folder.join(name)).into();
    for example in examples {
        let text = fs::read_to_string(&example).unwrap();
        let checked = Command::new("sh").arg("-n").arg(&example).status().unwrap();
        assert!(checked.success(), "{}", example.display());
        assert_eq!(
            fs::metadata(&example).unwrap().permissions().mode() & 0o111,
            0o111,
            "{}",
            example.display()
        );
        for verb in ["place-image)", "start)", "stop)", "address)", "list)"] {
            assert!(text.contains(verb), "{} has no {verb}", example.display());
        }
        // A verb that it does not know is answered as the contract says, before any cloud is asked.
        let unknown = Command::new(&example).arg("no-such-verb").stderr(Stdio::null()).status().unwrap();
        assert_eq!(unknown.code(), Some(UNAVAILABLE), "{}", example.display());
    }
}
