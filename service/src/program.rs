//! What the program does: `service [CONFIG [SOURCE]]`, by default with `/boot/config.toml`. On a host also
//! `service seed COUNT --config FILE`, which adds so many posts to the configured database and ends.
//!
//! A machine whose boot disk holds no configuration takes it from the cloud's user-data, or from the folder on a web server that
//! SOURCE names.
//!
//! It stands in the library and is no `async fn`: the compiler makes the code of a future where it is first polled, and in the
//! binary it would make all of the service's once more.
//!
//! A refusal at start is one line on standard error and exit status 2; a drained service exits with 0.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::userdata::{self, Source};
use crate::{log, server};
use config::Config;
use edge::drain;

/// Where a machine's boot disk shows its configuration.
const DEFAULT_CONFIG: &str = "/boot/config.toml";

/// Threads that look up names, and their stacks: a machine keeps memory back for them (`image/kernel/files/src/mm/reserve.rs`).
const BLOCKING_THREADS: usize = 2;
const STACK_BYTES: usize = 128 << 10;

/// Runs the program that the process's arguments ask for, and tells how it ended.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("service: refused: {}", log::chain(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

#[cfg(target_os = "hermit")]
fn run() -> Result<(), Box<dyn std::error::Error>> {
    start(&configured(), std::env::args().nth(2).as_deref())
}

#[cfg(not(target_os = "hermit"))]
fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seed", count, "--config", config] => {
            let count = count.parse().map_err(|_| format!("{count:?} is no number of posts"))?;
            seed(count, Path::new(config))
        }
        ["seed", ..] => Err("usage: service seed COUNT --config FILE".into()),
        _ => start(&configured(), std::env::args().nth(2).as_deref()),
    }
}

/// The file that the first argument names.
fn configured() -> PathBuf {
    std::env::args_os().nth(1).map_or_else(|| PathBuf::from(DEFAULT_CONFIG), PathBuf::from)
}

/// Migrates the database if need be, and fills it.
#[cfg(not(target_os = "hermit"))]
fn seed(count: u64, config: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let database = db::Database::new(&config);
        database.try_migrate().await?;
        let mut told = 0;
        let progress = |done: u64| {
            // Twenty lines, however many posts.
            if done * 20 / count > told {
                told = done * 20 / count;
                println!("{done} of {count} posts");
            }
        };
        Ok(crate::seed::fill(&database, count, progress).await?)
    })
}

fn start(path: &Path, source: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
    let on_disk = if disk_has_none(path) { None } else { Some(Config::read(path)?) };
    let source = Source::from_argument(source)?;
    log::init();
    // The MySQL driver asks the process for its provider; everything of ours is handed one.
    let provider = std::sync::Arc::unwrap_or_clone(tls::provider());
    provider.install_default().map_err(|_| "a cryptography provider was installed already")?;
    // One thread: a web machine has one virtual CPU, and a site grows by machines.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(STACK_BYTES)
        .on_thread_park(log::flush)
        .build()?;
    let ended = runtime.block_on(async {
        let config = match on_disk {
            Some(config) => config,
            None => userdata::wait(&source, |words| tracing::warn!("{words}")).await,
        };
        let (trigger, drain) = drain::channel();
        let server = server::Server::bind(config).await?;
        stop_on_signal(trigger)?;
        Ok(server.run(drain).await?)
    });
    log::flush();
    ended
}

/// An image has an empty file in this place, which a machine's own configuration takes.
fn disk_has_none(path: &Path) -> bool {
    let is_blank = |text: String| text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    path == Path::new(DEFAULT_CONFIG) && std::fs::read_to_string(path).map_or(true, is_blank)
}

/// On a host, SIGTERM and Ctrl-C start the drain.
#[cfg(unix)]
fn stop_on_signal(trigger: drain::Trigger) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        trigger.start();
    });
    Ok(())
}

/// On a machine, its power button does.
#[cfg(target_os = "hermit")]
fn stop_on_signal(trigger: drain::Trigger) -> std::io::Result<()> {
    crate::button::watch(trigger)
}
