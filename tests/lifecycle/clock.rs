//! The clock: a machine whose clock chip is wrong serves by the time servers' time, and not before it has heard them.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use image::machine::Variation;
use image::wait::{Status, wait_until};
use tests::stand::{Stand, Way, Web};

/// What a machine says that does not know the time.
const WAITING: &str = "bootstack: waiting for a time server";
const DEADLINE: Duration = Duration::from_secs(60);
/// What is on the line of every visit.
const ANSWERED: &str = "\"message\":\"answered\"";
/// Seconds from 1900, NTP's beginning, to 1970 (RFC 5905, 6).
const EPOCH_S: u64 = 2_208_988_800;
/// A header has whole seconds, and a busy host takes some.
const NEAR: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// A time server that is ahead of the host's clock.
struct TimeServer {
    port: u16,
    is_silent: Arc<AtomicBool>,
}

impl TimeServer {
    fn start(ahead: Duration) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let (port, is_silent) = (socket.local_addr()?.port(), Arc::new(AtomicBool::new(true)));
        let silent = Arc::clone(&is_silent);
        // Ends with the process: nobody else holds the port.
        thread::spawn(move || {
            let mut question = [0; 48];
            while let Ok((_, from)) = socket.recv_from(&mut question) {
                if !silent.load(Ordering::SeqCst) {
                    let _ = socket.send_to(&answer(&question, ahead), from);
                }
            }
        });
        Ok(Self { port, is_silent })
    }

    fn speak(&self) {
        self.is_silent.store(false, Ordering::SeqCst);
    }
}

fn answer(question: &[u8; 48], ahead: Duration) -> [u8; 48] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
    let time = (((now.as_secs() + EPOCH_S) << 32) | ((u64::from(now.subsec_nanos()) << 32) / 1_000_000_000))
        .to_be_bytes();
    let mut answer = [0; 48];
    // No warning, version 4, server; stratum 2.
    answer[..2].copy_from_slice(&[4 << 3 | 4, 2]);
    answer[24..32].copy_from_slice(&question[40..]);
    answer[32..40].copy_from_slice(&time);
    answer[40..].copy_from_slice(&time);
    answer
}

pub(super) fn a_wrong_clock_chip_is_overruled_by_the_time_servers_that_agree(
    stand: &mut Stand,
) -> Result<()> {
    let servers = [TimeServer::start(HOUR)?, TimeServer::start(HOUR)?, TimeServer::start(HOUR * 24 * 365)?];
    let addresses =
        servers.iter().map(|server| format!("10.0.2.2:{}", server.port)).collect::<Vec<_>>().join(",");
    let in_2001 = Variation { clock: Some("2001-09-09".to_owned()), ..Variation::default() };
    let mut web = stand
        .web(Way::Direct, 1, "nobody-asks-for-it")
        .varied(in_2001)
        .kernel_arguments(&format!("env=BOOTSTACK_NTP={addresses}"))
        .start()?;
    web.machine.wait_for_line(DEADLINE, WAITING)?;
    ensure!(!web.console()?.contains("serving"), "it served before it knew the time");
    servers.iter().for_each(TimeServer::speak);
    web.wait_until_serving()?;
    shows(&web, SystemTime::now() + HOUR)
}

/// The clock can be set back only as long as nobody has seen it; slowed, it would be wrong for twenty years.
pub(super) fn a_clock_chip_that_is_ahead_is_overruled_before_the_first_answer(
    stand: &mut Stand,
) -> Result<()> {
    const TWO_YEARS: Duration = Duration::from_secs(2 * 365 * 86_400);
    let server = TimeServer::start(Duration::ZERO)?;
    server.speak();
    let ahead = Variation { clock: Some(day(SystemTime::now() + TWO_YEARS)), ..Variation::default() };
    let web = stand
        .web(Way::Direct, 1, "nobody-asks-for-it")
        .varied(ahead)
        .kernel_arguments(&format!("env=BOOTSTACK_NTP=10.0.2.2:{}", server.port))
        .serve()?;
    shows(&web, SystemTime::now())
}

/// Without a time server the clock runs as fast as the machine found its counter to: the error of a day is seconds.
pub(super) fn the_clock_keeps_time_by_itself(stand: &mut Stand) -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(30);
    const MOST_PPM: f64 = 200.0;
    let mut web = stand.web(Way::Direct, 1, "nobody-asks-for-it").serve()?;
    let (begun, before) = (Instant::now(), ahead_s(&mut web)?);
    wait_until(WATCHED * 2, "the end of a while", || {
        let passed = begun.elapsed();
        Ok(if passed < WATCHED { Status::Pending(format!("{passed:?}")) } else { Status::Reached(()) })
    })?;
    let drift_ppm = (ahead_s(&mut web)? - before) / begun.elapsed().as_secs_f64() * 1e6;
    eprintln!("the clock drifts by {drift_ppm:.0} ppm");
    ensure!(drift_ppm.abs() < MOST_PPM, "the clock drifts by {drift_ppm:.0} ppm");
    Ok(())
}

/// By how many seconds the machine's clock is ahead of the host's, told by the quickest of some visits: the line that the machine
/// writes for each has a time.
fn ahead_s(web: &mut Web) -> Result<f64> {
    const VISITS: usize = 20;
    const DAY_S: f64 = 86_400.0;
    let mut quickest = (Duration::MAX, 0.0);
    for _ in 0..VISITS {
        let lines = answered(web)?.len();
        let begun = SystemTime::now();
        let (_, took) = web.timed("/healthz")?;
        let line = web.machine.wait_for(DEADLINE, "the visit's line", |machine| {
            let console = std::fs::read_to_string(machine.serial_log())?;
            let line = console.lines().filter(|line| line.contains(ANSWERED)).nth(lines);
            Ok(line.map_or_else(|| Status::Pending(String::new()), |line| Status::Reached(line.to_owned())))
        })?;
        let middle = begun.duration_since(UNIX_EPOCH)? + took / 2;
        // Between noon before and noon after, whatever the date.
        let ahead = (written_s(&line)? - middle.as_secs_f64() % DAY_S + 1.5 * DAY_S) % DAY_S - DAY_S / 2.0;
        quickest = std::cmp::min_by_key(quickest, (took, ahead), |visit| visit.0);
    }
    Ok(quickest.1)
}

fn answered(web: &Web) -> Result<Vec<String>> {
    Ok(web.console()?.lines().filter(|line| line.contains(ANSWERED)).map(str::to_owned).collect())
}

/// The time of a line, in seconds since midnight: `{"timestamp":"2026-11-28T13:21:28.544083Z",…`.
fn written_s(line: &str) -> Result<f64> {
    let time = line.split('"').nth(3).and_then(|time| time.trim_end_matches('Z').split_once('T'));
    let (_, clock) = time.with_context(|| format!("no time: {line}"))?;
    clock.split(':').try_fold(0.0, |sum, part| Ok(sum * 60.0 + part.parse::<f64>()?))
}

/// The machine's next answer has this date.
fn shows(web: &Web, expected: SystemTime) -> Result<()> {
    let answer = web.client().get("/healthz")?.expect(StatusCode::OK)?;
    let date = httpdate::parse_http_date(answer.headers.get("date").context("no date")?.to_str()?)?;
    let error = expected.duration_since(date).or_else(|_| date.duration_since(expected))?;
    ensure!(error < NEAR, "the machine's clock is {} s from the time servers'", error.as_secs());
    Ok(())
}

/// A day as QEMU's `-rtc base=` takes it: from `Sun, 06 Nov 1994 08:49:37 GMT` to `1994-11-06`.
fn day(time: SystemTime) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let date = httpdate::fmt_http_date(time);
    let month = MONTHS.find(&date[8..11]).map_or(1, |at| at / 3 + 1);
    format!("{}-{month:02}-{}", &date[12..16], &date[5..7])
}
