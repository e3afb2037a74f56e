//! The two servers as processes of this host, pinned to one core, each with the same certificate.
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::machine::free_port;
use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result, ensure};
use tls::authority::Authority;

/// The name that both servers present.
pub(super) const HOST: &str = "www.foobar.com";
const START: Duration = Duration::from_secs(20);

/// The files that both servers and the visitors read.
pub(super) struct Names {
    chain: PathBuf,
    key: PathBuf,
    pub(super) root: String,
}

/// A certificate of the kind that the authorities write by default.
pub(super) fn lay_out(folder: &Path) -> Result<Names> {
    let ca = Authority::open(&folder.join("ca"))?;
    let issued = ca.issue(&[HOST], 1)?;
    let names = Names {
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
        root: ca.certificate_pem().to_owned(),
    };
    fs::write(&names.chain, issued.certificate_chain)?;
    fs::write(&names.key, issued.private_key)?;
    Ok(names)
}

/// A running server. It ends with its handle.
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    pub(super) fn service(binary: &Path, folder: &Path, names: &Names) -> Result<Self> {
        let port = free_port()?;
        let (chain, key) = (fs::read_to_string(&names.chain)?, fs::read_to_string(&names.key)?);
        let root = &names.root;
        let http = free_port()?;
        let config = folder.join("config.toml");
        // Nothing listens at the database's address: no handshake needs it.
        let text = format!(
            "host = \"{HOST}\"\nlisten = {{ http = \"127.0.0.1:{http}\", https = \"127.0.0.1:{port}\" }}\n\
             tls = {{ certificate_chain = '''{chain}''', private_key = '''{key}''' }}\n\
             database = {{ host = \"127.0.0.1\", port = 1, name = \"\", user = \"\", password = \"\", ca = '''{root}''' }}\n\
             limits = {{ connections = 20000, idle_s = 600 }}\n"
        );
        fs::write(&config, text)?;
        let mut service = pinned(binary);
        service.arg(&config);
        Self::start(service, &folder.join("service.log"), port)
    }

    pub(super) fn nginx(folder: &Path, names: &Names) -> Result<Self> {
        let port = free_port()?;
        let config = folder.join("nginx.conf");
        let (chain, key, at) = (names.chain.display(), names.key.display(), folder.display());
        let text = format!(
            "daemon off; master_process off; pid '{at}/nginx.pid'; error_log '{at}/nginx-error.log' crit;\n\
             events {{ worker_connections 20000; }}\n\
             http {{ access_log off; client_body_temp_path '{at}/b'; proxy_temp_path '{at}/p';\n\
             fastcgi_temp_path '{at}/f'; uwsgi_temp_path '{at}/u'; scgi_temp_path '{at}/s';\n\
             client_header_timeout 600; keepalive_timeout 600;\n\
             server {{ listen 127.0.0.1:{port} ssl http2; server_name {HOST};\n\
             ssl_certificate '{chain}'; ssl_certificate_key '{key}';\n\
             ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; location / {{ return 200; }} }} }}\n"
        );
        fs::write(&config, text)?;
        let mut nginx = pinned(Path::new("/usr/sbin/nginx"));
        nginx.arg("-p").arg(folder).arg("-c").arg(&config);
        Self::start(nginx, &folder.join("nginx.log"), port)
    }

    fn start(mut command: Command, log: &Path, port: u16) -> Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let program = format!("{command:?}");
        let child = command.spawn().with_context(|| format!("cannot start {program}"))?;
        let mut server = Self { child, port };
        wait_until(START, "a server's start", || {
            let words = fs::read_to_string(log).unwrap_or_default();
            ensure!(server.child.try_wait()?.is_none(), "{program} ended: {words}");
            match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Ok(Status::Reached(())),
                Err(error) => Ok(Status::Pending(error.to_string())),
            }
        })?;
        Ok(server)
    }

    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(super) fn resident_kib(&self) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).context("no resident size")?;
        Ok(kib.parse()?)
    }

    /// Waits until it has closed what its visitors have.
    pub(super) fn await_no_connection(&self) -> Result<()> {
        /// More are open in neither server when nobody visits: listeners, logs, the event loop's own.
        const OWN: usize = 40;
        wait_until(START, "the end of all connections", || {
            let open = fs::read_dir(self.file("fd"))?.count();
            Ok(if open < OWN { Status::Reached(()) } else { Status::Pending(format!("{open} descriptors")) })
        })
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.child.id()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first core is the server's; `taskset` becomes the program, so its process id is the server's.
fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg("0").arg(program);
    command
}
