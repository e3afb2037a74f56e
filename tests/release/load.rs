//! Visitors at a constant rate, whatever the site does: the next one comes when it is due, not when the last one is served.
//!
//! Invariant: every visit is counted, as served or with what went wrong; none is repeated.

use std::collections::BTreeMap;
use std::env;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image::wait::{Status, wait_until};
use serde::{Deserialize, Serialize};
use tests::{Client, Endpoint, Request};

use super::cloud::Cloud;
use super::resolver::Resolver;

/// Names the trusted root's file, for the process inside the box.
const VISITOR: &str = "BOOTSTACK_VISITOR_ROOT";
const HOST: &str = "www.foobar.com";
const INTERVAL: Duration = Duration::from_millis(200);
const VISIT_DEADLINE: Duration = Duration::from_secs(10);

/// What became of all visits.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Tally {
    /// Answers 200 by address.
    pub(crate) served: BTreeMap<String, u32>,
    /// Everything else.
    pub(crate) failed: Vec<String>,
}

/// Visitors under way.
pub(crate) struct Load(Child);

impl Load {
    /// Sends them into the box.
    pub(crate) fn start(cloud: &Cloud) -> Result<Self> {
        let mut command = cloud.inside(&env::current_exe()?)?;
        command.env(VISITOR, cloud.root()?).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn().context("cannot start nsenter")?))
    }

    /// Calls them back; they tell what they saw.
    pub(crate) fn end(mut self) -> Result<Tally> {
        drop(self.0.stdin.take());
        let mut text = String::new();
        self.0.stdout.take().context("no output")?.read_to_string(&mut text)?;
        self.0.wait()?;
        serde_json::from_str(&text).with_context(|| format!("the visitors said {text:?}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this process is the one inside the box.
pub(crate) fn is_visitor() -> bool {
    env::var_os(VISITOR).is_some()
}

/// Visits until standard input is closed.
pub(crate) fn visit() -> Result<()> {
    let root = PathBuf::from(env::var_os(VISITOR).context("no root")?);
    let (closed, is_closed) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(closed);
    });
    let (seen, all) = mpsc::channel();
    let mut resolver = Resolver::new(HOST);
    let mut due = Instant::now();
    while is_closed.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
        wait_until(INTERVAL * 2, "the next visit", || {
            Ok(if Instant::now() >= due { Status::Reached(()) } else { Status::Pending(String::new()) })
        })?;
        due += INTERVAL;
        one(&mut resolver, root.clone(), seen.clone());
    }
    drop(seen);
    println!("{}", serde_json::to_string(&tally(all))?);
    Ok(())
}

type Seen = (String, Option<String>);

fn one(resolver: &mut Resolver, root: PathBuf, seen: mpsc::Sender<Seen>) {
    let address = match resolver.address() {
        Ok(address) => address.to_string(),
        Err(error) => return drop(seen.send((String::new(), Some(format!("{error:#}"))))),
    };
    thread::spawn(move || {
        let fault = fetch(&address, root).err().map(|error| format!("{address}: {error:#}"));
        drop(seen.send((address, fault)));
    });
}

fn fetch(address: &str, ca: PathBuf) -> Result<()> {
    let endpoint = Endpoint {
        https: format!("{address}:443"),
        http: format!("{address}:80"),
        host: HOST.to_owned(),
        ca,
        read_only: true,
    };
    let answer = Client::new(&endpoint)?.send(&Request::get("/").within(VISIT_DEADLINE))?;
    answer.expect(http::StatusCode::OK).map(drop)
}

fn tally(all: mpsc::Receiver<Seen>) -> Tally {
    let mut tally = Tally::default();
    for (address, fault) in all {
        match fault {
            Some(fault) => tally.failed.push(fault),
            None => *tally.served.entry(address).or_default() += 1,
        }
    }
    tally
}
