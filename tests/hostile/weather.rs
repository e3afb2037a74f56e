//! A bad line: what arrives is whole all the same.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::page;
use tests::stand::Stand;
use tests::wire::Weather;

use super::secure;
use super::site::Site;

/// 5 % lost, 200 ms of delay there and back, and everything else that happens to frames.
const FOUL: Weather =
    Weather { loss: 50, duplicates: 10, damage: 10, disorder: 100, delay: Duration::from_millis(100) };
/// A handshake and a page at 200 ms a round trip with lost segments, each of which costs a second or more.
const DEADLINE: Duration = Duration::from_secs(120);
const VISITS: usize = 3;

pub(super) fn long_a_page_arrives_whole_through_foul_weather(stand: &mut Stand) -> Result<()> {
    let mut site = Site::open_wide(stand)?;
    let page = secure::get(stand, &mut site, "/no-such-page", "", DEADLINE)?;
    let path = page::assets(&page).into_iter().next().context("a page without a style sheet")?;
    let fair = secure::get(stand, &mut site, &path, "", DEADLINE)?;
    site.peer.wire.set_weather(FOUL);
    for _ in 0..VISITS {
        let foul = secure::get(stand, &mut site, &path, "", DEADLINE)?;
        ensure!(!body(&fair).is_empty() && body(&foul) == body(&fair), "{foul}");
    }
    site.peer.wire.set_weather(Weather::default());
    site.is_unharmed()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
