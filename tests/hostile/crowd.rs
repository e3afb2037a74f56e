//! Many clients: gone without a word, silent, one after the other, or slow to read.

use std::time::Duration;

use anyhow::{Result, ensure};
use smoltcp::iface::SocketHandle;
use tests::stand::Stand;
use tests::wire::HTTP;

use super::secure::{self, Talk};
use super::site::{NO_ROUTER, PATIENCE, Site};

/// A window that nobody needs more of.
const SMALL_BYTES: usize = 2 << 10;
/// Connections that are begun at once.
const BATCH: usize = 64;

pub(super) fn vanished_clients_stop_nobody(stand: &mut Stand) -> Result<()> {
    vanish(stand, 512)
}

pub(super) fn long_vanished_clients_stop_nobody(stand: &mut Stand) -> Result<()> {
    vanish(stand, 10_000)
}

/// They send half a request's head, then nothing ever again, and do not answer either. The service has 256 places for
/// them, which are soon taken.
fn vanish(stand: &mut Stand, clients: usize) -> Result<()> {
    let mut site = Site::open(stand)?;
    for _ in 0..clients / BATCH {
        for handle in connected(&mut site, BATCH)? {
            site.peer.socket(handle).send_slice(b"GET / HTTP/1.1\r\nHost: www.foobar.com\r\n")?;
            site.peer.turn();
            site.peer.vanish(handle);
        }
        site.visit()?;
    }
    site.is_unharmed()
}

pub(super) fn connected(site: &mut Site, count: usize) -> Result<Vec<SocketHandle>> {
    let handles: Vec<_> = (0..count).map(|_| site.peer.connect(HTTP, SMALL_BYTES)).collect::<Result<_>>()?;
    for handle in &handles {
        site.peer.established(*handle, PATIENCE)?;
    }
    Ok(handles)
}

/// A thousand, in a machine of 128 MiB.
pub(super) fn long_idle_connections_are_kept_and_still_answer(stand: &mut Stand) -> Result<()> {
    const CONNECTIONS: usize = 1000;
    let mut site = Site::open_wide(stand)?;
    let mut handles = Vec::new();
    while handles.len() < CONNECTIONS {
        for handle in connected(&mut site, BATCH.min(CONNECTIONS - handles.len()))? {
            site.peer.ask(handle, "keep-alive", PATIENCE)?;
            handles.push(handle);
        }
        site.visit()?;
    }
    for handle in handles {
        site.peer.ask(handle, "keep-alive", PATIENCE)?;
    }
    site.is_unharmed()
}

/// The same over TLS, in a machine of 128 MiB too.
pub(super) fn long_idle_connections_over_tls_are_kept_and_still_answer(stand: &mut Stand) -> Result<()> {
    const CONNECTIONS: usize = 1000;
    let trust = secure::trust(stand)?;
    let mut site = Site::open_wide(stand)?;
    let before = site.memory_available(stand)?;
    let mut talks = Vec::new();
    while talks.len() < CONNECTIONS {
        let mut talk = Talk::begin(&mut site, trust.clone(), SMALL_BYTES)?;
        is_answered(&mut talk, &mut site)?;
        talks.push(talk);
        site.visit_now_and_then()?;
    }
    let after = site.memory_available(stand)?;
    eprintln!("{before} bytes of memory were available, with {CONNECTIONS} connections {after}");
    for talk in &mut talks {
        is_answered(talk, &mut site)?;
    }
    site.is_unharmed()
}

fn is_answered(talk: &mut Talk, site: &mut Site) -> Result<()> {
    talk.ask("/healthz", "")?;
    let answer = talk.hear(site, PATIENCE)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "another answer: {answer}");
    Ok(())
}

/// They write their requests byte by byte, all at once; who asks in one word meanwhile is answered at once, and in the end so
/// are they.
pub(super) fn slow_writers_delay_nobody_and_are_answered(stand: &mut Stand) -> Result<()> {
    const WRITERS: usize = 128;
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: www.foobar.com\r\nConnection: keep-alive\r\n\r\n";
    /// As long as a segment that is lost costs.
    const PROMPT: Duration = Duration::from_secs(1);
    let mut site = Site::open_wide(stand)?;
    let mut writers = Vec::new();
    while writers.len() < WRITERS {
        writers.extend(connected(&mut site, BATCH)?);
    }
    let mut longest = Duration::ZERO;
    for byte in REQUEST {
        for writer in &writers {
            let sent = site.peer.socket(*writer).send_slice(std::slice::from_ref(byte))?;
            ensure!(sent == 1, "a byte was not taken");
        }
        longest = longest.max(site.peer.visit(PATIENCE)?);
    }
    eprintln!("the longest answer meanwhile took {longest:?}");
    ensure!(longest < PROMPT, "a visitor waited {longest:?}");
    for writer in writers {
        let mut answer = Vec::new();
        site.peer.until(PATIENCE, "a slow writer's answer", |peer| {
            tests::wire::take(peer.socket(writer), &mut answer)?;
            Ok(tests::wire::is_whole(&answer).then_some(()))
        })?;
        ensure!(answer.starts_with(b"HTTP/1.1 308 "), "{:?}", String::from_utf8_lossy(&answer));
    }
    site.is_unharmed()
}

/// Nobody says a word: neither the open connections nor what the network wants now and then may keep the processor up.
pub(super) fn a_machine_with_nothing_to_do_sleeps(stand: &mut Stand) -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(5);
    /// As much as a few requests cost.
    const MOST_EACH_SECOND: u64 = 2_000_000;
    let mut site = Site::open_counted(stand)?;
    for handle in connected(&mut site, BATCH)? {
        site.peer.ask(handle, "keep-alive", PATIENCE)?;
    }
    site.peer.listen(NO_ROUTER)?;
    let before = site.web.machine.instructions()?;
    site.peer.listen(WATCHED)?;
    let executed = site.web.machine.instructions()? - before;
    let each_second = executed / WATCHED.as_secs();
    eprintln!("{each_second} instructions each second for {BATCH} idle connections");
    ensure!(each_second < MOST_EACH_SECOND, "{each_second} instructions each second for nothing");
    site.is_unharmed()
}

/// 200,000 that left only a tenth of their record behind would take a third of the machine's memory.
pub(super) fn long_one_connection_after_the_other_leaves_nothing_behind(stand: &mut Stand) -> Result<()> {
    const CONNECTIONS: usize = 200_000;
    /// Tables have grown to their size by then.
    const WARM: usize = 4_000;
    /// Five bytes for each connection.
    const SLACK_BYTES: i64 = 1 << 20;
    let mut site = Site::open_wide(stand)?;
    one_after_the_other(&mut site, WARM)?;
    let before = site.memory_available(stand)?;
    one_after_the_other(&mut site, CONNECTIONS - WARM)?;
    let after = site.memory_available(stand)?;
    eprintln!("{before} bytes of memory were available, after {CONNECTIONS} connections {after}");
    ensure!(before - after < SLACK_BYTES, "{before} bytes of memory were available, now {after}");
    site.is_unharmed()
}

/// Each asks for a page; every other one ends in good order, the rest by a reset.
fn one_after_the_other(site: &mut Site, count: usize) -> Result<()> {
    for _ in 0..count / 2 {
        site.visit()?;
        site.peer.visit_in_order(PATIENCE)?;
    }
    Ok(())
}

/// Its window is closed for a while; what it asked for waits, and nobody else does.
pub(super) fn long_a_reader_that_stops_gets_the_rest_later(stand: &mut Stand) -> Result<()> {
    const REQUESTS: usize = 40;
    const SILENCE: Duration = Duration::from_secs(8);
    let mut site = Site::open(stand)?;
    let reader = site.peer.connect(HTTP, SMALL_BYTES)?;
    site.peer.established(reader, PATIENCE)?;
    let request = b"GET / HTTP/1.1\r\nHost: www.foobar.com\r\n\r\n";
    site.peer.socket(reader).send_slice(&request.repeat(REQUESTS))?;
    let start = std::time::Instant::now();
    while start.elapsed() < SILENCE {
        site.visit()?;
    }
    let mut answers = Vec::new();
    site.peer.until(PATIENCE, "the rest of the answers", |peer| {
        tests::wire::take(peer.socket(reader), &mut answers)?;
        let count = answers.windows(12).filter(|window| window == b"HTTP/1.1 308").count();
        Ok((count == REQUESTS).then_some(()))
    })?;
    site.is_unharmed()
}
