//! A web disk of which some bytes are not what they were: refused, or not in use, but never served.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use hyper::body::Bytes;
use image::disk::read_file;
use image::machine::Ended;
use image::wait::{Status, wait_until};
use tests::stand::{Stand, Way, Web, is_failure};
use tests::{Answer, Request, claims};

/// Where the loader looks for the application.
const APPLICATION: &str = "bootstack/application";
/// Files of an EFI system partition begin on sectors.
const SECTOR_BYTES: usize = 512;
/// Boots after damage inside the application.
const DRAWS_INSIDE: usize = 4;
/// Boots after damage anywhere on the disk.
const DRAWS_ANYWHERE: usize = 4;
/// How many bytes are changed: one, or a sector that was lost.
const EXTENTS: [usize; 2] = [1, 512];
/// For a refusal that must come: a boot by UEFI takes some 4 s on a quiet host, a busy one may need many times that.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(90);
/// For whatever comes: a firmware that finds nothing to boot says nothing at all.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(30);
/// One look at a machine that may not answer at all.
const LOOK: Duration = Duration::from_secs(3);
/// No database is asked here.
const NO_PASSWORD: &str = "nobody-asks-for-it";

/// What a damaged disk led to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The machine ended with this.
    Ended(Ended),
    /// It answers; what it serves is right.
    Serves,
    /// Nothing is answered.
    Silent,
}

/// What an undamaged machine serves.
struct Healthy {
    path: String,
    bytes: Bytes,
}

/// One change to a disk, and what it is booted by.
#[derive(Clone, Copy, Debug)]
struct Damage {
    way: Way,
    place: u64,
    extent: usize,
}

pub(super) fn a_damaged_application_is_refused(stand: &mut Stand) -> Result<()> {
    let healthy = healthy(stand)?;
    let (start, length) = application(stand.parts().web_disk()?)?;
    for draw in 0..DRAWS_INSIDE {
        let damage = Damage { place: start + stand.dice().below(length), ..Damage::of_draw(draw) };
        let outcome =
            boot(stand, damage, &healthy, REFUSAL_DEADLINE).with_context(|| format!("{damage:?}"))?;
        let refused = matches!(outcome, Outcome::Ended(ended) if is_failure(ended));
        ensure!(refused, "{damage:?}: {outcome:?} instead of a refusal");
    }
    Ok(())
}

/// Outside the application there is firmware's and loader's ground, where nobody can promise a refusal: what would say it
/// may itself be what is damaged, and reset the machine. What is promised is that whatever answers is right.
pub(super) fn a_disk_damaged_anywhere_never_serves_wrong_bytes(stand: &mut Stand) -> Result<()> {
    let healthy = healthy(stand)?;
    let disk = stand.parts().web_disk()?.to_owned();
    let (size, application) = (fs::metadata(&disk)?.len(), application(&disk)?);
    for draw in 0..DRAWS_ANYWHERE {
        let damage = Damage { place: stand.dice().below(size), ..Damage::of_draw(draw) };
        let outcome =
            boot(stand, damage, &healthy, OUTCOME_DEADLINE).with_context(|| format!("{damage:?}"))?;
        let refused = matches!(outcome, Outcome::Ended(ended) if is_failure(ended));
        ensure!(refused || !damage.is_within(application), "{damage:?}: {outcome:?} instead of a refusal");
    }
    Ok(())
}

fn healthy(stand: &mut Stand) -> Result<Healthy> {
    let web = stand.web(Way::Direct, 1, NO_PASSWORD).serve()?;
    let path = claims::static_path(web.client())?;
    let bytes = web.client().get(&path)?.expect(StatusCode::OK)?.body;
    Ok(Healthy { path, bytes })
}

/// Where the application lies on a disk that was never changed, and its length.
fn application(disk: &Path) -> Result<(u64, u64)> {
    let bytes =
        read_file(disk, APPLICATION)?.with_context(|| format!("no {APPLICATION} on {}", disk.display()))?;
    let whole = fs::read(disk)?;
    let start =
        whole.chunks(SECTOR_BYTES).position(|sector| bytes.starts_with(sector)).map(|n| n * SECTOR_BYTES);
    let start = start.with_context(|| format!("{APPLICATION} does not begin on a sector"))?;
    ensure!(whole[start..].starts_with(&bytes), "{APPLICATION} does not lie in one piece");
    Ok((start as u64, bytes.len() as u64))
}

fn boot(stand: &mut Stand, damage: Damage, healthy: &Healthy, deadline: Duration) -> Result<Outcome> {
    let plan = stand.web(damage.way, 1, NO_PASSWORD);
    let mut web = plan.damaged(move |disk| damage.inflict(disk)).start()?;
    let outcome = outcome(&mut web, healthy, deadline)?;
    if matches!(outcome, Outcome::Ended(ended) if is_failure(ended)) {
        ensure!(web.console()?.contains("refused"), "it ended without a refusal on its console");
    }
    Ok(outcome)
}

fn outcome(web: &mut Web, healthy: &Healthy, deadline: Duration) -> Result<Outcome> {
    let client = web.client().clone();
    let look = Request::get(&healthy.path).within(LOOK);
    wait_until(deadline * 2, "an outcome", || {
        if let Some(ended) = web.machine.ended()? {
            return Ok(Status::Reached(Outcome::Ended(ended)));
        }
        match client.send(&look) {
            Ok(answer) => healthy.compare(&answer).map(|()| Status::Reached(Outcome::Serves)),
            Err(_) if web.machine.powered_on().elapsed() > deadline => Ok(Status::Reached(Outcome::Silent)),
            Err(error) => Ok(Status::Pending(format!("{error:#}"))),
        }
    })
}

impl Healthy {
    fn compare(&self, answer: &Answer) -> Result<()> {
        let same = answer.status == StatusCode::OK && answer.body == self.bytes;
        ensure!(same, "wrong bytes were served: {answer}");
        Ok(())
    }
}

impl Damage {
    /// Ways and extents take turns.
    fn of_draw(draw: usize) -> Self {
        Self { way: [Way::Uefi, Way::Bios][draw % 2], place: 0, extent: EXTENTS[draw % 2] }
    }

    /// Whether it changes a part of what begins there and is so long.
    fn is_within(self, (start, length): (u64, u64)) -> bool {
        self.place < start + length && self.place + self.extent as u64 > start
    }

    /// Flips every bit of the extent.
    fn inflict(self, disk: &Path) -> Result<()> {
        let mut file = File::options().read(true).write(true).open(disk)?;
        let mut bytes = vec![0; self.extent];
        file.seek(SeekFrom::Start(self.place))?;
        let read = file.read(&mut bytes)?;
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        file.seek(SeekFrom::Start(self.place))?;
        file.write_all(&bytes[..read]).with_context(|| format!("cannot damage {}", disk.display()))
    }
}
