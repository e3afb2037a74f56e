//! Asking time servers: several at once, again and again, less often the longer all is well.
//!
//! It decides nothing about the clock. Servers are addresses, not names, and come from the boot argument
//! `env=BOOTSTACK_NTP=ADDRESS[:PORT],…` or from DHCP (option 42).
//!
//! Invariant: one round is under way at a time, and it ends.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use hermit_sync::InterruptTicketMutex;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use super::{correct, is_awaited, now_micros, sntp};
use crate::arch::core_local::core_scheduler;
use crate::io::Result;
use crate::net::udp::UdpSocket;
use crate::net::{random, retry, wait};
use crate::scheduler::task::NORMAL_PRIO;
use crate::scheduler::{PerCoreScheduler, PerCoreSchedulerExt};
use crate::synch::futex::{Flags, futex_wait, futex_wake};

const ARGUMENT: &str = "BOOTSTACK_NTP";
const PORT: u16 = 123;
const MOST_SERVERS: usize = 8;
/// How long a round waits for answers.
const ROUND_US: u64 = 2_000_000;
/// Between rounds, in seconds: at first, and when all is well (RFC 5905's default poll interval, 2^10 s).
const FIRST_PAUSE_S: u64 = 2;
const LONGEST_PAUSE_S: u64 = 1024;
/// A failed round is repeated after at most this many seconds, and while the application waits for it soon.
const LONGEST_RETRY_S: u64 = 64;
const AWAITED_PAUSE_US: u64 = 200_000;
const STACK_BYTES: usize = 64 << 10;

static SERVERS: InterruptTicketMutex<Vec<IpEndpoint>> = InterruptTicketMutex::new(Vec::new());
/// How many there are: what the thread waits for.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Takes the servers that DHCP names, unless the boot arguments name others.
pub(crate) fn learn(addresses: impl Iterator<Item = Ipv4Address>) {
    if crate::env::var(ARGUMENT).is_none() {
        set(addresses.map(|address| IpEndpoint::new(IpAddress::Ipv4(address), PORT)).collect());
    }
}

fn set(mut servers: Vec<IpEndpoint>) {
    servers.truncate(MOST_SERVERS);
    COUNT.store(servers.len() as u32, Ordering::SeqCst);
    *SERVERS.lock() = servers;
    futex_wake(&COUNT, i32::MAX);
}

/// Whether there is somebody to ask.
pub(super) fn are_known() -> bool {
    COUNT.load(Ordering::SeqCst) != 0
}

/// Starts the thread that asks.
pub(super) fn start() {
    if let Some(given) = crate::env::var(ARGUMENT) {
        let servers = given.split(',').filter_map(endpoint);
        set(servers.collect());
    }
    // Safety: the function takes no argument and never returns.
    unsafe { PerCoreScheduler::spawn(run, 0, NORMAL_PRIO, 0, STACK_BYTES) };
}

fn endpoint(given: &str) -> Option<IpEndpoint> {
    let found = given.parse::<IpEndpoint>().ok();
    let found = found.or_else(|| Some(IpEndpoint::new(given.parse().ok()?, PORT)));
    if found.is_none() {
        error!("{ARGUMENT}: {given} is no address");
    }
    found
}

extern "C" fn run(_: usize) {
    let mut pause_s = FIRST_PAUSE_S;
    loop {
        while COUNT.load(Ordering::SeqCst) == 0 {
            futex_wait(&COUNT, 0, None, Flags::empty());
        }
        let servers = SERVERS.lock().clone();
        let most = match round(&servers) {
            Ok(Some(offset_us)) => {
                correct(offset_us);
                LONGEST_PAUSE_S
            }
            Ok(None) | Err(_) if is_awaited() => {
                sleep(AWAITED_PAUSE_US);
                continue;
            }
            Ok(None) | Err(_) => LONGEST_RETRY_S,
        };
        pause_s = (pause_s * 2).min(most);
        sleep(pause_s * 1_000_000);
    }
}

fn sleep(micros: u64) {
    let scheduler = core_scheduler();
    scheduler.block_current_task(Some(wait::now() + micros));
    scheduler.reschedule();
}

/// Asks everybody, and returns what they agree on.
fn round(servers: &[IpEndpoint]) -> Result<Option<i64>> {
    let socket = UdpSocket::new()?;
    socket.set_nonblocking(true);
    let mut asked = Vec::new();
    for server in servers {
        let number = random::bits();
        // A server that cannot be reached now has simply not answered.
        if socket.send_to(&sntp::question(number), Some(*server)).is_ok() {
            asked.push((number, now_micros()));
        }
    }
    let (mut offsets, deadline) = (Vec::new(), wait::now() + ROUND_US);
    let mut packet = [0; 128];
    while offsets.len() < asked.len() {
        let Ok((length, from)) = retry(false, Some(deadline), || socket.receive_from(&mut packet)) else { break };
        let got = now_micros();
        if !servers.contains(&from) {
            continue;
        }
        // Each number counts once, so a server cannot vote twice.
        let found = asked.iter().position(|(number, _)| sntp::answer(&packet[..length], *number).is_some());
        if let Some((number, asked_us)) = found.map(|at| core::mem::replace(&mut asked[at], (0, 0)))
            && let Some(answer) = sntp::answer(&packet[..length], number)
            && let Some(offset) = sntp::offset(answer, asked_us, got)
        {
            offsets.push(offset);
        }
    }
    Ok(sntp::agreed(&mut offsets, servers.len()))
}
