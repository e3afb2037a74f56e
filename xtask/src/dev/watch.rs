//! Tells when files below some folders have changed, once for all the files that an editor or a checkout writes at once.
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// How long nothing must happen before a change counts as over.
const QUIET: Duration = Duration::from_millis(150);
/// How often the program that is being watched over is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What happened.
pub(super) enum Event {
    /// A file.
    Changed,
    /// The program's end.
    Ended(ExitStatus),
}

/// Ears on the folders, until it is dropped.
pub(super) struct Watch {
    changes: Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Listens to everything below `folders`.
    pub(super) fn over(folders: &[PathBuf]) -> Result<Self> {
        let (sender, changes) = channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| changes_source(&event)) {
                // The receiver goes with the watcher: then nobody wants to know.
                let _ = sender.send(());
            }
        })?;
        for folder in folders {
            let cannot = || format!("cannot watch {}", folder.display());
            watcher.watch(folder, RecursiveMode::Recursive).with_context(cannot)?;
        }
        Ok(Self { changes, _watcher: watcher })
    }

    /// Waits for the next change, or for the end that `ended` tells of.
    pub(super) fn next(&self, mut ended: impl FnMut() -> Result<Option<ExitStatus>>) -> Result<Event> {
        loop {
            match self.changes.recv_timeout(LOOK) {
                Ok(()) => {
                    while self.changes.recv_timeout(QUIET).is_ok() {}
                    return Ok(Event::Changed);
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the watch over the files has ended"),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(status) = ended()? {
                        return Ok(Event::Ended(status));
                    }
                }
            }
        }
    }
}

/// Reading changes nothing, and neither do an editor's own hidden and temporary files.
fn changes_source(event: &notify::Event) -> bool {
    let writes = matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
    writes && event.paths.iter().any(|path| is_source(path))
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && !name.ends_with('~') && path.extension().is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn many_changes_at_once_are_one_and_an_editors_own_files_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::over(&[folder.path().to_owned()]).unwrap();
        for name in [".page.rs.swp", "page.rs~", "a.rs", "b.rs"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert!(matches!(watch.next(|| Ok(None)).unwrap(), Event::Changed));
        let ended = || Ok(Some(std::os::unix::process::ExitStatusExt::from_raw(0)));
        assert!(matches!(watch.next(ended).unwrap(), Event::Ended(_)));
        assert!(!is_source(Path::new("/a/.b.rs.swp")) && is_source(Path::new("/a/b.html")));
    }
}
