//! nginx over the same files with the same certificate, as a process of this host.
//!
//! Invariant: it is told to end when its handle is dropped, and waited for.
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::machine::free_port;
use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::SERVER_CPU;
use crate::bench::h2load;
use crate::endpoint::Endpoint;
use crate::site::write_secret;

const START_DEADLINE: Duration = Duration::from_secs(10);

/// A running nginx: its master and one worker.
pub(super) struct Nginx {
    master: Child,
    port: u16,
}

impl Nginx {
    /// Starts it over `files` and one `location` more, with the certificate of the service's configuration.
    pub(super) fn start(folder: &Path, service: &[u8], files: &Path, location: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let tls: toml::Table = toml::from_str(std::str::from_utf8(service)?)?;
        for (name, key) in [("chain.pem", "certificate_chain"), ("key.pem", "private_key")] {
            let text = tls["tls"][key].as_str().context("no certificate in the configuration")?;
            write_secret(&folder.join(name), text.as_bytes())?;
        }
        let config = folder.join("nginx.conf");
        fs::write(&config, text(folder, files, port, location))?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(folder).arg("-c").arg(&config).arg("-e").arg(folder.join("error.log"));
        nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let nginx = Self { master: nginx.spawn().context("cannot start nginx")?, port };
        wait_until(START_DEADLINE, "nginx", || {
            Ok(match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Status::Reached(()),
                Err(error) => Status::Pending(format!("{error}; see {}", folder.join("error.log").display())),
            })
        })?;
        for process in nginx.processes()? {
            h2load::pin(process, SERVER_CPU)?;
        }
        Ok(nginx)
    }

    /// Where it answers, in the place of the service.
    pub(super) fn endpoint(&self, service: &Endpoint) -> Endpoint {
        Endpoint { https: format!("127.0.0.1:{}", self.port), ..service.clone() }
    }

    /// Master and workers.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        h2load::family(self.master.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.master.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; a child that was not awaited yet keeps its id.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.master.wait();
    }
}

/// As a careful operator would write it for one processor: one worker, files kept open, a log.
fn text(folder: &Path, files: &Path, port: u16, location: &str) -> String {
    let (folder, files) = (folder.display(), files.display());
    // Workers that belong to nobody could not read a checkout in somebody's home.
    let user = if geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nevents {{ worker_connections 1024; }}\n\
         http {{\n  types {{ text/plain txt; text/css css; }}\n  sendfile on;\n  tcp_nopush on;\n  \
         keepalive_requests 10000000;\n  open_file_cache max=100;\n  access_log {folder}/access.log combined buffer=32k;\n  \
         client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  fastcgi_temp_path {folder}/fastcgi;\n  \
         uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  server {{\n    \
         listen 127.0.0.1:{port} ssl http2;\n    ssl_certificate {folder}/chain.pem;\n    \
         ssl_certificate_key {folder}/key.pem;\n    ssl_protocols TLSv1.3;\n    root {files};\n    {location}  }}\n}}\n"
    )
}
