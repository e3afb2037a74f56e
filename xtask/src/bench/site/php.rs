//! The front page from PHP-FPM: the same query and the same markup, over the same MySQL, with opcache, behind nginx.
//!
//! Invariant: it is told to end when its handle is dropped, and waited for.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ::image::command;
use ::image::wait::{Status, wait_until};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::SERVER_CPU;
use crate::bench::h2load;
use crate::site::write_secret;

const SCRIPT: &str = include_str!("front.php");
const START_DEADLINE: Duration = Duration::from_secs(10);
/// What the whole page is, from the service's: before the first post, and after the last link.
const FRAME: (&str, &str) = ("<ol class=\"posts\" id=\"list\">", "Older posts</a>");

/// A running PHP-FPM.
pub(super) struct Php {
    master: Child,
    folder: PathBuf,
    /// Its path is short: a socket's has at most 107 bytes (unix(7)).
    _socket: tempfile::TempDir,
    socket: PathBuf,
}

/// Debian's PHP-FPM, when it has what the page takes.
pub(crate) fn find() -> Result<PathBuf> {
    let programs = fs::read_dir("/usr/sbin")?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_fpm =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm"));
    let program = programs.filter(is_fpm).max().context("/usr/sbin/php-fpm* not found")?;
    let modules = command::output(Command::new(&program).arg("-m"))?;
    let modules = String::from_utf8_lossy(&modules).into_owned();
    for module in ["Zend OPcache", "pdo_mysql"] {
        ensure!(modules.contains(module), "{} has no {module}", program.display());
    }
    Ok(program)
}

impl Php {
    /// Starts it with the database of the service's configuration; `page` is the service's own.
    pub(super) fn start(folder: &Path, service: &[u8], page: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (head, _) = page.split_once(FRAME.0).context("the front page has no list")?;
        let (_, foot) = page.rsplit_once(FRAME.1).context("the front page has no second page")?;
        fs::write(folder.join("front.php"), SCRIPT)?;
        fs::write(folder.join("head.html"), format!("{head}{}", FRAME.0))?;
        fs::write(folder.join("foot.html"), foot)?;
        let socket = tempfile::tempdir()?;
        let path = socket.path().join("fpm.sock");
        let config = folder.join("fpm.conf");
        write_secret(&config, text(folder, &path, service)?.as_bytes())?;
        let mut fpm = Command::new(find()?);
        fpm.arg("--nodaemonize").arg("--fpm-config").arg(&config);
        if geteuid().is_root() {
            fpm.arg("--allow-to-run-as-root");
        }
        fpm.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = fpm.spawn().context("cannot start PHP-FPM")?;
        let php = Self { master, folder: folder.to_owned(), _socket: socket, socket: path };
        wait_until(START_DEADLINE, "PHP-FPM", || {
            Ok(match std::os::unix::net::UnixStream::connect(&php.socket) {
                Ok(_) => Status::Reached(()),
                Err(error) => {
                    Status::Pending(format!("{error}; see {}", php.folder.join("fpm.log").display()))
                }
            })
        })?;
        for process in h2load::family(php.master.id())? {
            h2load::pin(process, SERVER_CPU)?;
        }
        Ok(php)
    }

    /// nginx's lines for it.
    pub(super) fn location(&self) -> String {
        let (folder, socket) = (self.folder.display(), self.socket.display());
        format!(
            "location = / {{\n      include /etc/nginx/fastcgi_params;\n      \
             fastcgi_param SCRIPT_FILENAME {folder}/front.php;\n      fastcgi_keep_conn on;\n      \
             fastcgi_pass fpm;\n    }}\n  }}\n  upstream fpm {{\n    server unix:{socket};\n    keepalive 8;\n"
        )
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.master.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself; a child that was not awaited yet keeps its id.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.master.wait();
    }
}

/// As a careful operator would write it for one processor: a few workers that stay, each with its connection to MySQL.
fn text(folder: &Path, socket: &Path, service: &[u8]) -> Result<String> {
    let config: toml::Table = toml::from_str(std::str::from_utf8(service)?)?;
    let database = &config["database"];
    let mut text = format!(
        "[global]\nerror_log = {}\n[site]\nlisten = {}\npm = static\npm.max_children = 4\n",
        folder.join("fpm.log").display(),
        socket.display()
    );
    if geteuid().is_root() {
        text += "user = root\ngroup = root\n";
    }
    for (name, key) in [("ca.pem", "ca"), ("certificate.pem", "certificate"), ("key.pem", "key")] {
        let pem =
            database[key].as_str().with_context(|| format!("no database.{key} in the configuration"))?;
        write_secret(&folder.join(name), pem.as_bytes())?;
        let variable = name.trim_end_matches(".pem").to_uppercase();
        text += &format!("env[DATABASE_{variable}] = {}\n", folder.join(name).display());
    }
    let password = database["password"].as_str().context("no password in the configuration")?;
    text += &format!("env[DATABASE_PASSWORD] = {password}\nenv[DATABASE_PORT] = {}\n", database["port"]);
    Ok(text)
}
