//! The machine's configuration file, as the loader found it on the boot disk.
//!
//! The loader copies its bytes into the device tree, node `/chosen`, property `bootstack,config`; here they become
//! the read-only file `/boot/config.toml`. Nothing here reads them, and nothing prints them: they hold secrets.

use crate::fd::AccessPermission;
use crate::{env, fs};

const PROPERTY: &str = "bootstack,config";
const FOLDER: &str = "/boot";
const FILE: &str = "/boot/config.toml";

/// Publishes the file. A machine without one starts too: its application says what it misses.
pub(crate) fn publish() {
	let Some(content) = content() else { return };
	let readable = AccessPermission::S_IRUSR;
	let searchable = readable | AccessPermission::S_IXUSR;
	let published =
		fs::create_dir(FOLDER, searchable).and_then(|()| fs::create_file(FILE, content, readable));
	if let Err(error) = published {
		error!("{FILE} cannot be published: {error:?}");
	}
}

/// The device tree stays where the loader put it as long as the machine runs.
fn content() -> Option<&'static [u8]> {
	let tree = env::fdt()?;
	let chosen = tree.find_node("/chosen")?;
	chosen.property(PROPERTY).map(|property| property.value)
}
