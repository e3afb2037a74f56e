//! What the program writes of an answer: one line of JSON with all that an operator asks for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tls::authority::Authority;

use crate::fixture::{CONFIG, HOST};

/// A start and two answers take less than a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// The program, which ends with the handle or at the deadline, and its lines.
struct Program {
    lines: Box<dyn Iterator<Item = Value>>,
    done: Option<Sender<()>>,
    watch: Option<JoinHandle<()>>,
}

impl Program {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path()).unwrap();
        let issued = authority.issue(&[HOST], 1).unwrap();
        let mut config: toml::Table = CONFIG.parse().unwrap();
        config["tls"]["certificate_chain"] = issued.certificate_chain.into();
        config["tls"]["private_key"] = issued.private_key.into();
        config["database"]["ca"] = authority.certificate_pem().into();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config.to_string()).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_service"));
        let mut child = program.arg(&file).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Box::new(lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()));
        let (done, ended) = channel();
        let watch = thread::spawn(move || {
            let _ = ended.recv_timeout(DEADLINE);
            end(&mut child);
            drop(folder);
        });
        Self { lines, done: Some(done), watch: Some(watch) }
    }

    /// The next line with this message.
    fn next(&mut self, message: &str) -> Value {
        self.lines.find(|line| line["message"] == message).expect("the program ended without the line")
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.done.take());
        let _ = self.watch.take().map(JoinHandle::join);
    }
}

#[test]
fn an_answers_line_has_its_request_id_method_route_status_duration_and_bytes() {
    let mut program = Program::start();
    let serving = program.next("serving");
    let address = serving["http"].as_str().unwrap().to_owned();
    let secret = "/.well-known/acme-challenge/a-clients-own-word";
    for (method, path, route, status) in [
        ("GET", "/healthz", "/healthz", 200),
        ("HEAD", "/healthz", "/healthz", 200),
        ("GET", secret, "/.well-known/acme-challenge/{token}", 404),
        ("PUT", "/a-clients-own-word?and=more", "", 308),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let line = program.next("answered");
        let told = (line["method"].as_str(), line["route"].as_str(), line["status"].as_u64());
        assert_eq!(told, (Some(method), Some(route), Some(status)), "{line}");
        assert_eq!(line["span"]["request_id"].as_str(), header("x-request-id: "), "{line}");
        assert!(line["duration_us"].as_u64().is_some_and(|took| took < 30_000_000), "{line}");
        let bytes = if method == "HEAD" { 0 } else { body.len() as u64 };
        assert_eq!(line["bytes"].as_u64(), Some(bytes), "{line}");
        assert!(line["timestamp"].is_string() && line["level"] == "INFO", "{line}");
        assert!(!line.to_string().contains("own-word"), "a client's words are in the log: {line}");
    }
}
