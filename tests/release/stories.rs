//! What a release promises, as stories in one box: each begins with a site that is served and ends with one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use image::disk;
use image::machine::Machine;
use image::wait::{Status, wait_until};

use super::cloud::{Cloud, LOW_TTL_S, TTL_S};
use super::load::Load;
use super::person::Person;

type Story = fn(&Cloud) -> Result<()>;

/// In this order: the first one makes the box.
pub(crate) const ALL: &[(&str, Story)] = &[
    ("the_first_release_makes_a_record", first),
    ("releases_in_a_row_lose_no_request_and_a_rollback_neither", in_a_row),
    ("a_reserved_address_is_led_on_and_the_record_stays", reserved),
    ("a_person_stays_signed_in_and_loses_no_draft", draft),
    ("a_bad_candidate_is_held_and_the_record_untouched", bad_candidates),
    ("a_release_that_was_killed_goes_on", killed),
    ("name_servers_that_refuse_or_lag_hold_the_release", name_servers),
];

fn first(cloud: &Cloud) -> Result<()> {
    let said = cloud.release(&cloud.variant(1)?, "")?.well()?;
    ensure!(said.words.contains("+ www.foobar.com. 6 IN A 10.80.0."), "no change was shown:\n{}", said.words);
    record(cloud).map(drop)
}

/// What both name servers answer, as `release status` prints it.
fn record(cloud: &Cloud) -> Result<String> {
    let said = cloud.act("status")?.well()?;
    let mut records = said.words.lines().filter_map(|line| line.strip_prefix("record ")?.split_once(": "));
    let (first, second) = (records.next(), records.next());
    let (_, answer) = first.context("no server answers")?;
    ensure!(second.is_some_and(|(_, other)| other == answer), "the servers do not agree:\n{}", said.words);
    Ok(answer.to_owned())
}

fn in_a_row(cloud: &Cloud) -> Result<()> {
    let count = std::env::var("BOOTSTACK_RELEASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let load = Load::start(cloud)?;
    let images = (0..count).map(|number| cloud.variant(100 + number)).collect::<Result<Vec<_>>>()?;
    for image in &images {
        let before = record(cloud)?;
        cloud.release(image, "")?.well()?;
        ensure!(record(cloud)? != before, "the record did not move");
    }
    let (before, asked_s) = (record(cloud)?, now_s());
    let done = cloud.act("rollback")?.well()?;
    ensure!(record(cloud)? != before, "the rollback moved nothing:\n{}", done.words);
    let previous = images.iter().nth_back(1).context("a rollback needs two releases")?;
    eprintln!(
        "rollback: the record moved {} s after the command was typed",
        flipped_s(cloud, previous)? - asked_s
    );
    let tally = load.end()?;
    let served: u32 = tally.served.values().sum();
    eprintln!("{served} visits served by {} addresses, {} failed", tally.served.len(), tally.failed.len());
    ensure!(
        tally.failed.is_empty(),
        "{} of {served} visits failed:\n{}",
        tally.failed.len(),
        tally.failed.join("\n")
    );
    ensure!(tally.served.len() >= 2, "the visitors met one machine only");
    Ok(())
}

/// Browsers keep an address for a minute, whatever its time to live: it is longer, as it is by default.
fn draft(cloud: &Cloud) -> Result<()> {
    cloud.remember_for(70);
    cloud.release(&cloud.variant(500)?, "")?.well()?;
    let person = Person::start(cloud)?;
    let before = record(cloud)?;
    cloud.release(&cloud.variant(501)?, "")?.well()?;
    ensure!(record(cloud)? != before, "the record did not move");
    person.post()?;
    cloud.remember_for(TTL_S);
    Ok(())
}

/// The record is set to the address once; after that only the address moves, under the same visitors.
fn reserved(cloud: &Cloud) -> Result<()> {
    let load = Load::start(cloud)?;
    cloud.release(&cloud.variant(400)?, "reserved = true")?.well()?;
    let before = record(cloud)?;
    ensure!(before.contains("10.80.0.10"), "the record does not lead to the reserved address: {before}");
    let said = cloud.release(&cloud.variant(401)?, "reserved = true")?.well()?;
    ensure!(said.words.contains("+ 10.80.0.10 leads to web-"), "no change was shown:\n{}", said.words);
    ensure!(record(cloud)? == before, "the record moved with the address");
    // And back to addresses of machines.
    cloud.release(&cloud.variant(402)?, "")?.well()?;
    ensure!(record(cloud)? != before, "the record did not move");
    let tally = load.end()?;
    ensure!(tally.failed.is_empty(), "visits failed:\n{}", tally.failed.join("\n"));
    Ok(())
}

/// As a release has it by default.
const IMPATIENT: &str = "ready_s = 40";
/// What is said of a candidate that was asked in vain. (Of one that was never started it is "not known".)
const UNREADY: &str = "the candidate's readiness: readiness not reached";

fn bad_candidates(cloud: &Cloud) -> Result<()> {
    let before = record(cloud)?;
    let held = |what: &str, image: &Path, more: &str, reason: &str| -> Result<()> {
        let asked = Instant::now();
        cloud.release(image, more)?.refused("held: the record is as it was")?.refused(reason).map(drop)?;
        eprintln!("{what}: held after {} s", asked.elapsed().as_secs());
        ensure!(record(cloud)? == before, "{what}: the record moved");
        Ok(())
    };
    held("does not boot", &cloud.damaged()?, "", "the trial on this host: ")?;
    held("shows wrong pages", &cloud.formless()?, "", "the trial on this host: ")?;
    held("slow to ready", &cloud.variant(901)?, "ready_s = 1", UNREADY)?;
    let good = configuration(cloud)?;
    let away = good.replace("port = 3306", "port = 3307");
    held(
        "cannot reach the database",
        &cloud.variant(902)?,
        &format!("{}\n{IMPATIENT}", configured(cloud, &away)?),
        UNREADY,
    )?;
    let other = good.replace("host = \"www.foobar.com\"", "host = \"www.elsewhere.example\"");
    held(
        "wrong certificate",
        &cloud.variant(903)?,
        &format!("{}\n{IMPATIENT}", configured(cloud, &other)?),
        UNREADY,
    )?;
    held("cannot migrate", &cloud.migrating_otherwise()?, IMPATIENT, "the trial on this host: ")?;
    held("leaks file descriptors", &cloud.leaking()?, "", "it leaks")?;
    dies(cloud, &before, "is switched off while watched", 904, Machine::cut)?;
    dies(cloud, &before, "crashes while watched", 906, |machine| machine.control("inject-nmi").map(drop))
}

/// The configuration that the release made for the machine that serves.
fn configuration(cloud: &Cloud) -> Result<String> {
    let machines = cloud.machines()?;
    let disk = machines.iter().map(|folder| folder.join("disk.raw")).find(|disk| disk.exists());
    let text = disk::read_file(&disk.context("no machine has a disk")?, "bootstack/config.toml")?;
    String::from_utf8(text.context("no configuration on the disk")?).context("the configuration is text")
}

fn configured(cloud: &Cloud, text: &str) -> Result<String> {
    let path = cloud.folder().join("web.toml");
    // Without the seal of the disk that it was read from.
    let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    fs::write(&path, plain.join("\n"))?;
    Ok(format!("configuration = {:?}", path.display().to_string()))
}

/// A machine that is found good and then ends while it is watched.
fn dies(
    cloud: &Cloud,
    before: &str,
    what: &str,
    number: u32,
    end: fn(&mut Machine) -> Result<()>,
) -> Result<()> {
    let mut release = begin_until(cloud, &cloud.variant(number)?, "\"smoke\": {")?;
    let watched = cloud.machines()?.pop().context("no machine runs")?;
    end(&mut Machine::find("web", &watched).context("no candidate runs")?)?;
    let ended = Instant::now();
    let status = release.wait()?;
    ensure!(!status.success(), "a dead candidate was released");
    eprintln!("{what}: held {} s after its end", ended.elapsed().as_secs());
    ensure!(record(cloud)? == before, "{what}: the record moved");
    Ok(())
}

/// What is known of one image, as text; empty before its release begins.
fn evidence(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Where that is kept.
fn evidence_of(cloud: &Cloud, image: &Path) -> Result<PathBuf> {
    Ok(cloud.folder().join(disk::sha256(image)?).with_extension("json"))
}

/// Begins a release of the image, and waits until these words are among what is known of it.
fn begin_until(cloud: &Cloud, image: &Path, words: &str) -> Result<Child> {
    let known = evidence_of(cloud, image)?;
    let mut release = cloud.begin(image)?;
    wait_until(Duration::from_secs(300), words, || {
        let known = evidence(&known);
        ensure!(release.try_wait()?.is_none(), "the release ended before {words:?}: {known}");
        Ok(if known.contains(words) { Status::Reached(()) } else { Status::Pending(known) })
    })?;
    Ok(release)
}

fn flipped_s(cloud: &Cloud, image: &Path) -> Result<u64> {
    let evidence: serde_json::Value = serde_json::from_str(&evidence(&evidence_of(cloud, image)?))?;
    evidence["change"]["flipped_s"].as_u64().context("the record was not moved")
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Killed after every act, as Ctrl-C does it and as a host that runs out of memory; the same command then ends well.
fn killed(cloud: &Cloud) -> Result<()> {
    let (before, image) = (record(cloud)?, cloud.variant(200)?);
    let load = Load::start(cloud)?;
    let fields =
        ["trial", "candidate", "ready", "smoke", "watch", "change"].map(|field| format!("\"{field}\": {{"));
    let moments = ["lowered_s", "flipped_s"].map(|field| format!("\"{field}\": 1"));
    let acts = fields.into_iter().chain(moments).chain(["\"public\": {".to_owned()]);
    for (act, signal) in acts.zip(["TERM", "KILL"].into_iter().cycle()) {
        let mut release = begin_until(cloud, &image, &act)?;
        Command::new("kill").args(["-s", signal, &release.id().to_string()]).status()?;
        ensure!(!release.wait()?.success(), "the release ended before it was killed after {act}");
    }
    cloud.release(&image, "")?.well()?;
    ensure!(record(cloud)? != before, "the record did not move");
    let status = cloud.act("status")?.well()?.words;
    ensure!(status.matches("\nmachine  ").count() == 1, "more than one machine is left:\n{status}");
    let tally = load.end()?;
    ensure!(tally.failed.is_empty(), "visits failed:\n{}", tally.failed.join("\n"));
    Ok(())
}

fn name_servers(cloud: &Cloud) -> Result<()> {
    let before = record(cloud)?;
    let image = cloud.variant(300)?;
    let key = cloud.folder().join("cloud/release.key");
    let right = fs::read_to_string(&key)?;
    let wrong = right.replacen("secret \"", "secret \"AAAA", 1);
    fs::write(&key, wrong)?;
    cloud.release(&image, "")?.refused("does not know the key release.")?;
    ensure!(record(cloud)? == before, "the record moved by a wrong key");
    fs::write(&key, right)?;
    cloud.release(&image, "")?.well()?;
    let after = record(cloud)?;
    ensure!(after != before, "the same command did not go on");
    silent(cloud, &after)?;
    stale(cloud)
}

/// One of the two answers nothing any more: before a release begins, and when the candidate is found good.
fn silent(cloud: &Cloud, before: &str) -> Result<()> {
    let image = cloud.variant(301)?;
    let paused = cloud.pause("secondary")?;
    cloud.release(&image, "")?.refused("10.80.0.54")?;
    let status = cloud.act("status")?.well()?.words;
    ensure!(status.contains(before), "no status while a server is silent:\n{status}");
    drop(paused);
    ensure!(record(cloud)? == before, "the record moved though a server is silent");
    let mut release = begin_until(cloud, &image, "\"smoke\": {")?;
    let paused = cloud.pause("secondary")?;
    ensure!(!release.wait()?.success(), "a release ended well though a server is silent");
    drop(paused);
    // From here on no time to live is to be lowered.
    cloud.remember_for(LOW_TTL_S);
    cloud.release(&image, "")?.well()?;
    ensure!(record(cloud)? != before, "the same command did not go on");
    Ok(())
}

/// One of the two answers, but takes no change over: visitors are led to both machines until it does.
fn stale(cloud: &Cloud) -> Result<()> {
    let (before, image) = (record(cloud)?, cloud.variant(302)?);
    let load = Load::start(cloud)?;
    let frozen = cloud.freeze("secondary")?;
    cloud.release(&image, "")?.refused("10.80.0.54")?;
    let split = cloud.act("status")?.well()?.words;
    ensure!(split.matches(&before).count() == 1, "no server is stale:\n{split}");
    ensure!(record(cloud).is_err(), "the servers agree");
    ensure!(
        split.matches("\nmachine  web-").count() == 2,
        "a machine was stopped though a server leads to it:\n{split}"
    );
    cloud.release(&image, "")?.refused("10.80.0.54")?;
    drop(frozen);
    cloud.release(&image, "")?.well()?;
    ensure!(record(cloud)? != before, "the same command did not go on");
    let tally = load.end()?;
    ensure!(tally.failed.is_empty(), "visits failed:\n{}", tally.failed.join("\n"));
    cloud.remember_for(TTL_S);
    Ok(())
}
