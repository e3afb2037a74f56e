//! A primary and a secondary of one zone, of either make, on free ports of 127.0.0.1.
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::Layout;
use ::image::machine::free_port;
use ::image::wait::{Status, wait_until};

use super::super::{Form, Key, Names, Server, Zone};
use crate::tools::Tools;

pub(crate) const ZONE: &str = "foobar.com.";
const SECRET: &str = "c2VjcmV0IG9mIDMyIGJ5dGVzIGZvciB0ZXN0cyBvbmx5IQ==";
const START_DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Make {
    Knot,
    Bind,
}

impl Make {
    pub(crate) const ALL: [Self; 2] = [Self::Knot, Self::Bind];
}

/// A running server; it ends with this value.
pub(crate) struct Running {
    child: Child,
    pub(crate) server: Server,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One zone on two servers.
pub(crate) struct Servers {
    folder: tempfile::TempDir,
    pub(crate) primary: Running,
    pub(crate) secondary: Option<Running>,
}

impl Servers {
    pub(crate) fn start(make: Make) -> Self {
        let ports = [free_port().unwrap(), free_port().unwrap()];
        Self::start_at(make, ports, ports[1])
    }

    /// A secondary that is not told of changes: it looks for them an hour later.
    pub(crate) fn start_deaf(make: Make) -> Self {
        Self::start_at(make, [free_port().unwrap(), free_port().unwrap()], free_port().unwrap())
    }

    fn start_at(make: Make, ports: [u16; 2], notify: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let primary = start(make, &folder.path().join("primary"), ports[0], Role::Primary { notify });
        let secondary =
            start(make, &folder.path().join("secondary"), ports[1], Role::Secondary { of: ports[0] });
        Self { folder, primary, secondary: Some(secondary) }
    }

    /// The zone as a release sees it, with a key whose secret is right or not.
    pub(crate) fn zone(&self, form: Form, secret_is_right: bool) -> Zone {
        let servers = std::iter::once(&self.primary).chain(&self.secondary);
        let apex = (form == Form::Alias).then(|| ZONE.to_owned());
        Zone {
            name: ZONE.to_owned(),
            servers: servers.map(|running| running.server.clone()).collect(),
            key: Some(self.key(if secret_is_right { SECRET } else { "d3Jvbmcgc2VjcmV0" })),
            names: Names { host: "www.foobar.com.".to_owned(), apex, form },
        }
    }

    fn key(&self, secret: &str) -> Key {
        let path = self.folder.path().join("release.key");
        fs::write(&path, format!("key \"release\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n"))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Key::read(&path).unwrap()
    }
}

enum Role {
    Primary { notify: u16 },
    Secondary { of: u16 },
}

fn start(make: Make, folder: &Path, port: u16, role: Role) -> Running {
    fs::create_dir_all(folder).unwrap();
    if matches!(role, Role::Primary { .. }) {
        fs::write(folder.join("zone"), zone_file()).unwrap();
    }
    let tools = Tools::open(&Layout::here().unwrap()).unwrap();
    let mut command = match make {
        Make::Knot => knot(&tools, folder, port, &role),
        Make::Bind => bind(&tools, folder, port, &role),
    };
    let log = fs::File::create(folder.join("log")).unwrap();
    let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let running = Running { child, server: Server { name: address.to_string(), address } };
    answers(&running.server, folder);
    running
}

fn answers(server: &Server, folder: &Path) {
    let names = ["foobar.com.".to_owned()];
    let started = wait_until(START_DEADLINE, "an answer with authority", || {
        Ok(match server.records(&names) {
            Ok(_) => Status::Reached(()),
            Err(error) => Status::Pending(format!("{error:#}")),
        })
    });
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    started.unwrap_or_else(|error| panic!("{error:#}\n{log}"));
}

/// Wherever the test's secondary stands, it is not where its NS record says; nobody asks for that here.
fn zone_file() -> String {
    "$ORIGIN foobar.com.\n$TTL 300\n\
     @ SOA ns1 hostmaster 1 3600 600 86400 60\n\
     @ NS ns1\n@ NS ns2\nns1 A 192.0.2.53\nns2 A 192.0.2.54\n\
     www 300 A 192.0.2.1\n"
        .to_owned()
}

fn knot(tools: &Tools, folder: &Path, port: u16, role: &Role) -> Command {
    let (remote, zone) = match role {
        Role::Primary { notify } => (notify, "notify: peer\n    acl: [update, transfer]"),
        Role::Secondary { of } => (of, "master: peer\n    acl: notify"),
    };
    let at = folder.display();
    let text = format!(
        "server:\n  rundir: {at}\n  listen: 127.0.0.1@{port}\n\
         log:\n  - target: stderr\n    any: info\n\
         database:\n  storage: {at}\n\
         key:\n  - id: release\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
         remote:\n  - id: peer\n    address: 127.0.0.1@{remote}\n\
         acl:\n  - id: update\n    key: release\n    action: update\n\
         \x20 - id: transfer\n    address: 127.0.0.1\n    action: transfer\n\
         \x20 - id: notify\n    address: 127.0.0.1\n    action: notify\n\
         zone:\n  - domain: {ZONE}\n    storage: {at}\n    file: zone\n    zonefile-sync: -1\n    journal-content: all\n    {zone}\n",
    );
    let path = written(folder, "knot.conf", &text);
    let mut command = tools.command("knotd").unwrap();
    command.arg("--config").arg(path);
    command
}

fn bind(tools: &Tools, folder: &Path, port: u16, role: &Role) -> Command {
    let zone = match role {
        Role::Primary { notify } => format!(
            "type primary; allow-update {{ key release; }}; notify explicit; also-notify {{ 127.0.0.1 port {notify}; }}; \
             allow-transfer {{ 127.0.0.1; }};"
        ),
        Role::Secondary { of } => {
            format!(
                "type secondary; primaries {{ 127.0.0.1 port {of}; }}; allow-notify {{ 127.0.0.1; }}; notify no;"
            )
        }
    };
    let at = folder.display();
    let text = format!(
        "key release {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         options {{ directory \"{at}\"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }};\n\
         listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; geoip-directory none; notify-delay 0;\n\
         managed-keys-directory \"{at}\"; }};\n\
         controls {{ }};\n\
         zone \"foobar.com\" {{ file \"zone\"; {zone} }};\n",
    );
    let path = written(folder, "named.conf", &text);
    let mut command = tools.command("named").unwrap();
    command.args(["-g", "-n", "1", "-c"]).arg(path);
    command
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}
