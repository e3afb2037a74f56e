//! Socket options, judged on the host: the guest compiles the same file.
//!
//! It opens no socket. Invariant: what is not refused has an effect, and reads back as what takes effect.

#[allow(dead_code)]
#[path = "../kernel/files/src/net/settings.rs"]
mod settings;

use settings::{
    LARGEST_RECEIVE_BYTES, LARGEST_SEND_BYTES, LEAST_BUFFER_BYTES, Level, Linger, Refusal, Settings,
};

/// Numbers as `hermit-abi` has them, and for TCP's level as Linux has them.
const SO_REUSEPORT: i32 = 0x0200;
const SO_KEEPALIVE: i32 = 0x0008;
const SO_LINGER: i32 = 0x0080;
const SO_SNDBUF: i32 = 0x1001;
const SO_RCVBUF: i32 = 0x1002;
const TCP_NODELAY: i32 = 1;
const TCP_KEEPIDLE: i32 = 4;
const TCP_KEEPINTVL: i32 = 5;
const TCP_KEEPCNT: i32 = 6;
const TCP_USER_TIMEOUT: i32 = 18;

/// Default settings after one option was set to these numbers.
fn after(level: Level, option: i32, numbers: &[i32]) -> Result<Settings, Refusal> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    let mut settings = Settings::default();
    settings.set(level, option, &bytes).map(|()| settings)
}

#[test]
fn an_option_reads_back_as_what_takes_effect() {
    for (level, option, given, effective) in [
        (Level::Tcp, TCP_NODELAY, 1, 1),
        (Level::Socket, SO_KEEPALIVE, 0, 0),
        (Level::Tcp, TCP_KEEPIDLE, 5, 5),
        (Level::Tcp, TCP_USER_TIMEOUT, 2500, 2500),
        (Level::Tcp, TCP_USER_TIMEOUT, 0, 120_000),
        (Level::Socket, SO_SNDBUF, 100_000, 100_000),
        (Level::Socket, SO_SNDBUF, 1, LEAST_BUFFER_BYTES as i32),
        (Level::Socket, SO_SNDBUF, i32::MAX, LARGEST_SEND_BYTES as i32),
        (Level::Socket, SO_RCVBUF, -1, LEAST_BUFFER_BYTES as i32),
        (Level::Socket, SO_RCVBUF, i32::MAX, LARGEST_RECEIVE_BYTES as i32),
    ] {
        let settings = after(level, option, &[given]).unwrap();
        assert_eq!(settings.get(level, option), Ok([effective, 0]), "{level:?} {option} {given}");
    }
}

#[test]
fn an_option_changes_what_a_connection_does() {
    assert_eq!(after(Level::Socket, SO_KEEPALIVE, &[0]).unwrap().keep_alive_s(), None);
    assert_eq!(after(Level::Tcp, TCP_KEEPIDLE, &[7]).unwrap().keep_alive_s(), Some(7));
    assert_eq!(after(Level::Tcp, TCP_USER_TIMEOUT, &[2500]).unwrap().silence_ms(), 2500);
    assert_eq!(after(Level::Socket, SO_RCVBUF, &[10_000]).unwrap().most_received, 10_000);
    assert_eq!(after(Level::Socket, SO_SNDBUF, &[10_000]).unwrap().most_sent, 10_000);
}

#[test]
fn lingering_for_no_time_is_a_reset_and_never_longer_than_usual() {
    let ends = |numbers: &[i32]| after(Level::Socket, SO_LINGER, numbers).unwrap().end_within_s();
    let usual = Settings::default().end_within_s();
    assert_eq!(usual, Some(30));
    assert_eq!(ends(&[0, 5]), usual);
    assert_eq!(ends(&[1, 0]), None);
    assert_eq!(ends(&[1, 5]), Some(5));
    assert_eq!(ends(&[1, i32::MAX]), usual);
    let settings = after(Level::Socket, SO_LINGER, &[1, 5]).unwrap();
    assert_eq!((settings.linger, settings.get(Level::Socket, SO_LINGER)), (Linger::Seconds(5), Ok([1, 5])));
}

#[test]
fn what_would_have_no_effect_is_refused() {
    for (level, option) in [
        (Level::Tcp, TCP_KEEPINTVL),
        (Level::Tcp, TCP_KEEPCNT),
        (Level::Socket, SO_REUSEPORT),
        // Right numbers at the wrong level.
        (Level::Socket, TCP_USER_TIMEOUT),
        (Level::Tcp, SO_KEEPALIVE),
    ] {
        assert_eq!(after(level, option, &[1]), Err(Refusal::Unknown), "{level:?} {option}");
        assert_eq!(Settings::default().get(level, option), Err(Refusal::Unknown), "{level:?} {option}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused_and_change_nothing() {
    for (level, option, numbers) in [
        (Level::Tcp, TCP_NODELAY, &[][..]),
        (Level::Tcp, TCP_KEEPIDLE, &[0]),
        (Level::Tcp, TCP_KEEPIDLE, &[-1]),
        (Level::Tcp, TCP_KEEPIDLE, &[i32::MAX]),
        (Level::Tcp, TCP_USER_TIMEOUT, &[-1]),
        (Level::Socket, SO_LINGER, &[1]),
        (Level::Socket, SO_LINGER, &[1, -1]),
    ] {
        assert_eq!(after(level, option, numbers), Err(Refusal::Invalid), "{level:?} {option} {numbers:?}");
    }
    let mut settings = Settings::default();
    assert_eq!(settings.set(Level::Socket, SO_LINGER, &[1, 0, 0]), Err(Refusal::Invalid));
    assert_eq!(settings, Settings::default());
}
