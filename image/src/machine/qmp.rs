//! QEMU's control protocol (docs/interop/qmp-spec in QEMU's manual): one connection per command.
//!
//! It gives commands and reads answers; events are passed over. Invariant: no call takes longer than its timeout,
//! whatever QEMU does.
use super::names;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// QEMU answers within milliseconds; a host that swaps may take longer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest line read; answers to the commands used here stay under a kibibyte.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Gives `command` to the machine in `folder` and returns QEMU's answer.
pub(super) fn execute(folder: &Path, command: &str) -> Result<Value> {
    execute_with(folder, command, &json!({}))
}

/// The same, with arguments.
pub(super) fn execute_with(folder: &Path, command: &str, arguments: &Value) -> Result<Value> {
    let mut connection = Connection::open(folder)?;
    connection.ask("qmp_capabilities", &json!({}))?;
    connection.ask(command, arguments).with_context(|| format!("QEMU refused {command}"))
}

struct Connection(BufReader<UnixStream>);

impl Connection {
    /// The socket's path is written relative to an open folder: a socket address holds 107 bytes (unix(7)), the
    /// path of a checkout may be longer.
    fn open(folder: &Path) -> Result<Self> {
        let opened = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
        let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), names::QMP_SOCKET);
        let shown = folder.join(names::QMP_SOCKET);
        let stream =
            UnixStream::connect(path).with_context(|| format!("cannot connect to {}", shown.display()))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut connection = Self(BufReader::new(stream));
        let greeting = connection.line()?;
        ensure!(greeting.get("QMP").is_some(), "{} is not a QMP socket: {greeting}", shown.display());
        Ok(connection)
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.0.get_mut().write_all(line.as_bytes()).context("QEMU takes no command")?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                bail!("{error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count =
            self.0.by_ref().take(LINE_BYTES_MAX).read_line(&mut line).context("QEMU does not answer")?;
        ensure!(count > 0, "QEMU closed its control socket");
        serde_json::from_str(&line).with_context(|| format!("QEMU's answer is not JSON: {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// Plays QEMU in a folder whose path is too long for a socket address.
    fn answering(answers: &'static [&'static str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a folder, with a long name ".repeat(5));
        std::fs::create_dir(&folder).unwrap();
        let opened = File::open(&folder).unwrap();
        let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), names::QMP_SOCKET);
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                stream.write_all(answer.as_bytes()).unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        (root, folder)
    }

    #[test]
    fn an_answer_is_found_among_events_in_a_folder_with_a_long_path() {
        let (_root, folder) = answering(&[
            "{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"RTC_CHANGE\"}\n",
            "{\"return\":{\"status\":\"running\"}}\n",
        ]);
        assert_eq!(execute(&folder, "query-status").unwrap(), json!({ "status": "running" }));
    }

    #[test]
    fn a_refusal_names_the_command() {
        let (_root, folder) = answering(&["{\"QMP\":{}}\n{\"return\":{}}\n{\"error\":{\"desc\":\"no\"}}\n"]);
        assert_eq!(
            format!("{:#}", execute(&folder, "quit").unwrap_err()),
            "QEMU refused quit: {\"desc\":\"no\"}"
        );
    }

    #[test]
    fn a_stranger_on_the_socket_is_an_error() {
        let (_root, folder) = answering(&["HTTP/1.1 400 Bad Request\n"]);
        assert!(format!("{:#}", execute(&folder, "quit").unwrap_err()).contains("not JSON"));
    }
}
