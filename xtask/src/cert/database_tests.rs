//! What MySQL itself does with another certificate: on this host, without the machine that judges it first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helping functions too")]
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ::image::db::{Login, Operator, Tree, host_tree};
use ::image::debian::Policy;
use ::image::machine::free_port;
use ::image::{Layout, Stack, command};
use anyhow::Result;
use tempfile::TempDir;
use tls::authority::{Authority, Issued};

use super::database::Own;
use crate::mysql::Mysql;
use crate::site::{DATABASE_NAMES, Site};

/// A MySQL over data of its own, and its site.
pub(super) struct Server {
    tree: Tree,
    pub(super) site: Site,
    pub(super) port: u16,
    _mysql: Mysql,
    pub(super) folder: TempDir,
}

/// A connection of the site's that stays.
struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Session {
    fn id(&mut self) -> String {
        self.0.stdin.as_mut().unwrap().write_all(b"SELECT CONNECTION_ID();\n").unwrap();
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.trim().parse::<u64>().is_ok(), "no answer but {line:?}");
        line
    }
}

impl Server {
    pub(super) fn start() -> Self {
        let (layout, folder) = (Layout::here().unwrap(), tempfile::tempdir().unwrap());
        let site =
            Site::open(&Layout::below(&folder.path().join("site")), &Stack::load(&layout).unwrap()).unwrap();
        let port = free_port().unwrap();
        let mysql = Mysql::start(&layout, Policy::Resolve, &site, folder.path(), port).unwrap();
        let tree = host_tree(&layout, Policy::Resolve).unwrap();
        Self { tree, site, port, _mysql: mysql, folder }
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.folder.path().join(name), content).unwrap();
    }

    fn present(&self, issued: &Issued) {
        self.write("certificate.pem", &issued.certificate_chain);
        self.write("key.pem", &issued.private_key);
    }

    /// By the account that the machine does it with.
    fn reload(&self) -> Result<()> {
        let mut client = self.tree.program("usr/bin/mysql");
        client.args(["--no-defaults", "--user=certificate", "--execute=ALTER INSTANCE RELOAD TLS"]);
        client.arg(format!("--socket={}", self.folder.path().join("data/mysqld.sock").display()));
        command::run(&mut client)
    }

    /// An operator who trusts these roots and presents this.
    fn operator(&self, ca: &str, own: &Issued) -> Operator {
        let login = Login {
            host: "127.0.0.1",
            port: self.port,
            user: "operator",
            password: self.site.passwords().operator,
            ca,
            certificate: &own.certificate_chain,
            key: &own.private_key,
        };
        Operator::new(&Layout::here().unwrap(), &login).unwrap()
    }

    fn session(&self) -> Session {
        let own = self.site.issue(&["site"]).unwrap();
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        self.write("options", &format!("[client]\npassword=\"{}\"\n", self.site.passwords().site));
        self.write("own.pem", &own.certificate_chain);
        self.write("own-key.pem", &own.private_key);
        let mut client: Command = self.tree.program("usr/bin/mysql");
        client.arg(format!("--defaults-file={}", path("options")));
        client.args(["--user=site", "--host=127.0.0.1", "--protocol=TCP", "--ssl-mode=VERIFY_IDENTITY"]);
        client.args(["--batch", "--skip-column-names", "--unbuffered", "--no-auto-rehash"]);
        client.arg(format!("--port={}", self.port)).arg(format!("--ssl-ca={}", path("ca.pem")));
        client
            .arg(format!("--ssl-cert={}", path("own.pem")))
            .arg(format!("--ssl-key={}", path("own-key.pem")));
        Session(client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }
}

pub(super) fn authority(folder: &Path) -> Authority {
    Authority::open(folder).unwrap()
}

#[test]
fn a_new_certificate_is_for_new_connections_and_open_ones_stay() {
    let server = Server::start();
    let operator = server.operator(server.site.root(), &server.site.issue(&["operator"]).unwrap());
    let mut session = server.session();
    let (id, before) = (session.id(), operator.shown().unwrap());
    server.present(&authority(&server.folder.path().join("site/data/ca")).issue(&DATABASE_NAMES, 3).unwrap());
    assert_eq!(operator.shown().unwrap(), before, "not yet told to look");
    server.reload().unwrap();
    let after = operator.shown().unwrap();
    assert_ne!(after.not_after, before.not_after);
    assert_eq!(session.id(), id, "another connection");
    // Another's key: refused as a whole, and nothing changes.
    server.write("key.pem", &server.site.database_identity().unwrap().private_key);
    server.reload().unwrap_err();
    assert_eq!((operator.shown().unwrap(), session.id()), (after, id));
}

#[test]
fn clients_of_both_roots_are_let_in_while_one_replaces_the_other() {
    let server = Server::start();
    let other = authority(&server.folder.path().join("other"));
    let (old, new) = (server.site.root(), other.certificate_pem());
    let both = format!("{old}{new}");
    let of_old = server.operator(&both, &server.site.issue(&["operator"]).unwrap());
    let of_new = server.operator(&both, &other.issue(&["operator"], 3).unwrap());
    of_old.shown().unwrap();
    of_new.shown().unwrap_err();
    server.write("ca.pem", &both);
    server.reload().unwrap();
    of_old.shown().unwrap();
    of_new.shown().unwrap();
    server.present(&other.issue(&DATABASE_NAMES, 3).unwrap());
    server.reload().unwrap();
    of_old.shown().unwrap();
    of_new.shown().unwrap();
    server.operator(old, &server.site.issue(&["operator"]).unwrap()).shown().unwrap_err();
    server.write("ca.pem", new);
    server.reload().unwrap();
    of_old.shown().unwrap_err();
    of_new.shown().unwrap();
}

#[test]
fn an_operator_of_another_root_logs_in_by_a_file() {
    let server = Server::start();
    let other = authority(&server.folder.path().join("other"));
    server.write("ca.pem", other.certificate_pem());
    server.present(&other.issue(&DATABASE_NAMES, 3).unwrap());
    server.reload().unwrap();
    let shown = other.issue(&["operator"], 3).unwrap();
    let text = |key: &str| {
        format!(
            "password = \"{}\"\nca = \"\"\"{}\"\"\"\ncertificate = \"\"\"{}\"\"\"\n{key} = \"\"\"{}\"\"\"\n",
            server.site.passwords().operator,
            other.certificate_pem(),
            shown.certificate_chain,
            shown.private_key
        )
    };
    let own = Own::parse(&text("key")).unwrap();
    let place = ("127.0.0.1", server.port);
    own.operator(&Layout::here().unwrap(), place, server.site.root()).unwrap().shown().unwrap();
    let told = format!("{:#}", Own::parse(&text("kee")).err().unwrap());
    assert!(told.contains("kee") && !told.contains("BEGIN"), "{told}");
}
