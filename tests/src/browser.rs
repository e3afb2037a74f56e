//! chromedriver and a browser of its own: started here, gone with the handle.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use image::machine::free_port;
use image::wait::{Status, wait_until};
use serde_json::json;

/// A driver is there in under a second; a busy host may need several times that.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How pages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appearance {
    /// A wide window, light.
    Desk,
    /// A narrow one, dark, touched with fingers.
    Phone,
}

impl Appearance {
    /// As part of a test's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Desk => "on_a_desk",
            Self::Phone => "on_a_dark_phone",
        }
    }

    /// Whether the person prefers dark pages.
    pub fn is_dark(self) -> bool {
        self == Self::Phone
    }

    /// The window's width in CSS pixels.
    pub fn width(self) -> u32 {
        match self {
            Self::Desk => 1280,
            Self::Phone => 390,
        }
    }
}

/// A running chromedriver.
#[derive(Debug)]
pub struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts it, its log in `log`.
    ///
    /// # Errors
    /// When it is not installed, or does not listen in time.
    pub fn start(log: &Path) -> Result<Self> {
        let port = free_port()?;
        let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start chromedriver: apt-get install chromium-driver")?;
        let mut driver = Self { process, port };
        wait_until(START_DEADLINE, "chromedriver", || {
            if let Some(status) = driver.process.try_wait()? {
                bail!("chromedriver ended ({status}): see {}", log.display());
            }
            Ok(match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Status::Reached(()),
                Err(error) => Status::Pending(error.to_string()),
            })
        })?;
        Ok(driver)
    }

    /// A browser that finds `local`, if given, on this host's loopback, and other names as this host does. (That a
    /// certificate is the right one, the smoke suite says.)
    ///
    /// # Errors
    /// When no browser starts.
    pub async fn browser(&self, local: Option<&str>, appearance: Appearance) -> Result<Client> {
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--window-size=1280,900".to_owned(),
            format!("--blink-settings=preferredColorScheme={}", u8::from(!appearance.is_dark())),
        ];
        arguments.extend(local.map(|host| format!("--host-resolver-rules=MAP {host} 127.0.0.1")));
        if is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        let mut options = json!({ "args": arguments });
        if appearance == Appearance::Phone {
            let metrics =
                json!({ "width": appearance.width(), "height": 844, "pixelRatio": 2.0, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted =
            json!({ "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options });
        let serde_json::Value::Object(wanted) = wanted else { bail!("no capabilities") };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(wanted);
        builder.connect(&format!("http://127.0.0.1:{}", self.port)).await.context("no browser")
    }
}

/// Chromium's sandbox refuses root, as in a container.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself; its browsers end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
