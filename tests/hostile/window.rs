//! Readers whose window is closed: the machine asks now and then whether it is still so (RFC 9293, 3.8.6.1), and goes on where it
//! was.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::stand::Stand;
use tests::wire::craft::{Segment, Told};

use super::by_hand::{ByHand, answer, answer_within};
use super::site::Site;

const REQUEST: &[u8] = b"GET /somewhere HTTP/1.1\r\nHost: www.foobar.com\r\n\r\n";
/// What each request is answered with.
const ANSWER: &str = "HTTP/1.1 308 ";
/// The longest pause between two questions of the first five.
const PAUSE: Duration = Duration::from_secs(20);
/// How much longer each pause is than the one before: twice, but for a busy host.
const GROWTH: f64 = 1.5;

/// A reader by hand who has asked, and whose window is closed.
struct Reader {
    connection: ByHand,
    /// The next byte of the answer.
    next: u32,
    /// What was asked.
    asked: usize,
}

impl Reader {
    fn ask(site: &mut Site, port: u16, requests: usize) -> Result<Self> {
        let mut connection = ByHand::greet(site, port)?;
        connection.template.window = 0;
        site.peer.wire.send(&connection.template.frame());
        let request = REQUEST.repeat(requests);
        connection.send(site, 0, &request);
        let next = connection.template.acknowledgement;
        Ok(Self { connection, next, asked: request.len() })
    }

    /// Says how far the answer was taken, and how open the window is.
    fn say(&self, site: &mut Site, window: u16) {
        let segment = Segment {
            sequence: self.connection.template.sequence + self.asked as u32,
            acknowledgement: self.next,
            window,
            ..self.connection.template.clone()
        };
        site.peer.wire.send(&segment.frame());
    }

    /// Waits for the next question, which is a byte and no more.
    fn is_asked(&self, site: &mut Site, limit: Duration) -> Result<bool> {
        let port = self.connection.template.source_port;
        let found = answer_within(site, port, limit, |told| !told.payload.is_empty())?;
        let Some(Told { sequence, payload, .. }) = found else { return Ok(false) };
        ensure!(sequence == self.next, "byte {} of the answer", sequence.wrapping_sub(self.next));
        ensure!(payload.len() == 1, "{} bytes into a closed window", payload.len());
        Ok(true)
    }

    /// Reads on through an open window until there were so many answers.
    fn read(&mut self, site: &mut Site, taken: &[u8], answers: usize) -> Result<()> {
        let mut text = taken.to_vec();
        while String::from_utf8_lossy(&text).matches(ANSWER).count() < answers {
            let port = self.connection.template.source_port;
            let Told { sequence, payload, .. } = answer(site, port, |told| !told.payload.is_empty())
                .with_context(|| format!("after {:?}", String::from_utf8_lossy(&text)))?;
            if sequence == self.next {
                self.next = self.next.wrapping_add(payload.len() as u32);
                text.extend(payload);
            }
            self.say(site, u16::MAX);
        }
        ensure!(text.starts_with(ANSWER.as_bytes()), "{:?}", String::from_utf8_lossy(&text));
        Ok(())
    }
}

/// The window opens with the answer to a question, whose byte was taken by one reader and not by the other.
pub(super) fn a_closed_window_is_asked_for_ever_more_seldom_until_it_opens(stand: &mut Stand) -> Result<()> {
    const QUESTIONS: usize = 5;
    let mut site = Site::open(stand)?;
    for (port, takes) in [(2501, false), (2502, true)] {
        let mut reader = Reader::ask(&mut site, port, 1)?;
        let mut times = Vec::new();
        while times.len() < QUESTIONS {
            let asked = reader.is_asked(&mut site, PAUSE)?;
            ensure!(asked, "no question {} within {} s", times.len() + 1, PAUSE.as_secs());
            times.push(Instant::now());
            if times.len() < QUESTIONS {
                reader.say(&mut site, 0);
            }
        }
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        eprintln!("questions after {pauses:?}");
        // The first comes at once or after a while: the answer was not there yet when the window was closed.
        let grows = pauses.windows(2).all(|pair| pair[1] > pair[0].mul_f64(GROWTH));
        ensure!(grows, "port {port}: questions after {pauses:?}");
        let taken: &[u8] = if takes { b"H" } else { b"" };
        reader.next = reader.next.wrapping_add(taken.len() as u32);
        reader.say(&mut site, u16::MAX);
        reader.read(&mut site, taken, 1)?;
    }
    site.is_unharmed()
}

/// For three minutes every question is answered with "not yet"; who owns the window pays for it, and nobody else.
pub(super) fn long_a_window_that_is_closed_for_minutes_opens_on_the_rest(stand: &mut Stand) -> Result<()> {
    const CLOSED: Duration = Duration::from_secs(180);
    const REQUESTS: usize = 20;
    let mut site = Site::open_wide(stand)?;
    let mut reader = Reader::ask(&mut site, 2601, REQUESTS)?;
    let (start, mut questions) = (Instant::now(), 0);
    while start.elapsed() < CLOSED {
        if reader.is_asked(&mut site, Duration::from_millis(500))? {
            questions += 1;
            reader.say(&mut site, 0);
        }
        site.visit_now_and_then()?;
    }
    eprintln!("{questions} questions in {} s", CLOSED.as_secs());
    reader.say(&mut site, u16::MAX);
    reader.read(&mut site, b"", REQUESTS)?;
    site.is_unharmed()
}
