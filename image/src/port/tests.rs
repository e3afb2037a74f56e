//! A port applies to exactly the source it was made for, and a folder is enough to add one.

use super::*;

const PINNED: &str = "fn main() {\n    old();\n}\n";

/// A port folder over a crate tree with one file, `src/main.rs`.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(port: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder };
        write(&bench.path("crate/src/main.rs"), PINNED);
        write(&bench.path("port/port.toml"), &format!("{HEAD}{port}"));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn apply(&self) -> Result<String> {
        Port::read(&self.path("port"))?.copy(&self.path("crate"), &self.path("copy"))?;
        Ok(fs::read_to_string(self.path("copy/src/main.rs"))?)
    }

    fn refusal(&self) -> String {
        let error = self.apply().unwrap_err();
        assert!(!self.path("copy").exists(), "a refused port leaves no copy");
        format!("{error:#}")
    }
}

const HEAD: &str = "crate = \"demo\"\nversion = \"1.0.0\"\nwhy = \"To show it.\"\n";

fn edit(name: &str, find: &str, replace: &str) -> String {
    let sha256 = sum(PINNED.as_bytes());
    format!(
        "[[edit]]\nname = \"{name}\"\nfile = \"src/main.rs\"\nsha256 = \"{sha256}\"\nfind = \"{find}\"\n\
         replace = \"{replace}\"\n"
    )
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn several_edits_share_a_file() {
    let edits = edit("call the new one", "old()", "new()") + &edit("rename", "main", "start");
    assert_eq!(Bench::new(&edits).apply().unwrap(), "fn start() {\n    new();\n}\n");
}

#[test]
fn an_edit_that_no_longer_applies_names_file_and_edit() {
    let refusal = Bench::new(&edit("call the new one", "older()", "new()")).refusal();
    assert_eq!(
        refusal,
        "edit `call the new one` no longer applies to src/main.rs: its text occurs 0 times instead of once"
    );
}

#[test]
fn an_ambiguous_edit_is_refused() {
    let refusal = Bench::new(&edit("indent", "n", "m")).refusal();
    assert!(refusal.contains("`indent`") && refusal.contains("occurs 2 times"), "{refusal}");
}

#[test]
fn another_version_of_an_edited_file_is_refused() {
    let bench = Bench::new(&edit("call the new one", "old()", "new()"));
    write(&bench.path("crate/src/main.rs"), "fn main() {\n    old(); // newer\n}\n");
    let refusal = bench.refusal();
    assert!(refusal.starts_with("edit `call the new one`: src/main.rs is not the file"), "{refusal}");
    assert!(refusal.contains(&sum(PINNED.as_bytes())), "{refusal}");
}

#[test]
fn a_file_of_ours_replaces_only_the_file_it_was_written_for() {
    let replace = |sum: &str| format!("[[replace]]\nfile = \"src/main.rs\"\nsha256 = \"{sum}\"\n");
    let bench = Bench::new(&replace(&sum(PINNED.as_bytes())));
    write(&bench.path("port/files/src/main.rs"), "fn ours() {}\n");
    assert_eq!(bench.apply().unwrap(), "fn ours() {}\n");

    let bench = Bench::new(&replace(&sum(b"another")));
    write(&bench.path("port/files/src/main.rs"), "fn ours() {}\n");
    assert!(bench.refusal().contains("src/main.rs is not the file"));
}

#[test]
fn an_added_file_may_not_hide_one_of_the_crate() {
    let bench = Bench::new("[[add]]\nfile = \"src/main.rs\"\n");
    write(&bench.path("port/files/src/main.rs"), "fn ours() {}\n");
    assert_eq!(bench.refusal(), "src/main.rs is in the crate: replace it instead of adding it");
}

#[test]
fn a_file_that_no_entry_names_is_refused() {
    let bench = Bench::new("");
    write(&bench.path("port/files/src/stray.rs"), "");
    assert!(bench.refusal().ends_with("stray.rs is named by no [[add]] and no [[replace]]"));
}

#[test]
fn a_folder_is_enough_to_add_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::below(folder.path());
    let ports = folder.path().join("image/ports");
    write(&ports.join("demo/port.toml"), HEAD);
    write(&ports.join("another/port.toml"), &HEAD.replace("demo", "another"));
    let titles: Vec<_> = all(&layout).unwrap().iter().map(Port::title).collect();
    assert_eq!(titles, ["another-1.0.0", "demo-1.0.0"]);
}

#[test]
fn a_change_in_a_port_outdates_its_copy() {
    let bench = Bench::new(&edit("call the new one", "old()", "new()"));
    bench.apply().unwrap();
    let copy = bench.path("copy");
    stamp::write(&copy, &stamp::of(&bench.path("port")).unwrap()).unwrap();
    assert!(stamp::is_current(&copy, &stamp::of(&bench.path("port")).unwrap()));
    write(&bench.path("port/port.toml"), HEAD);
    assert!(!stamp::is_current(&copy, &stamp::of(&bench.path("port")).unwrap()));
}
