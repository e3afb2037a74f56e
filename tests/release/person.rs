//! A person with a real browser, inside the box: signed in, with a draft on the page, while a release goes by.
//!
//! The browser asks the box's own resolver. Invariant: what was typed before the release is what is posted after it.

use std::env;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use fantoccini::{Client, Locator};
use tests::browser::{Appearance, Driver};
use tests::stand::random_word;
use tests::unique;

use super::cloud::Cloud;

/// Names the folder of the browser's log, for the process inside the box.
const PERSON: &str = "BOOTSTACK_PERSON";
const HOST: &str = "www.foobar.com";
/// Said when the draft is on the page.
const DRAFTED: &str = "drafted";

/// A person at work.
pub(crate) struct Person(Child);

impl Person {
    /// Sends one into the box, and waits until there is a draft.
    pub(crate) fn start(cloud: &Cloud) -> Result<Self> {
        let mut command = cloud.inside_resolving(&env::current_exe()?)?;
        command.env(PERSON, cloud.folder()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut person = Self(command.spawn().context("cannot start nsenter")?);
        let mut said = String::new();
        BufReader::new(person.0.stdout.as_mut().context("no output")?).read_line(&mut said)?;
        ensure!(said.trim() == DRAFTED, "the person has no draft: {said:?}");
        Ok(person)
    }

    /// Lets the draft be posted.
    pub(crate) fn post(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        ensure!(status.success(), "the draft was not posted: {status}");
        Ok(())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether this process is the one inside the box.
pub(crate) fn is_person() -> bool {
    env::var_os(PERSON).is_some()
}

/// Registers, writes a draft, waits until standard input is closed, and posts.
pub(crate) fn write() -> Result<()> {
    let folder = PathBuf::from(env::var_os(PERSON).context("no folder")?);
    let driver = Driver::start(&folder.join("chromedriver.log"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let browser = driver.browser(None, Appearance::Desk).await?;
        let outcome = draft_and_post(&browser).await;
        // The browser ends with its driver in any case.
        let _ = browser.close().await;
        outcome
    })
}

async fn draft_and_post(browser: &Client) -> Result<()> {
    let name = format!("p{}", &random_word()?[..12]).to_lowercase();
    browser.goto(&format!("https://{HOST}/register")).await?;
    fill(browser, "/register", "name", &name).await?;
    fill(browser, "/register", "password", &random_word()?).await?;
    press(browser, "/register").await?;
    browser.wait().for_element(Locator::Css("form[action='/logout']")).await.context("not signed in")?;
    browser.goto(&format!("https://{HOST}/posts/new")).await?;
    let word = unique::word("draft").replace('-', "");
    fill(browser, "/posts", "title", &format!("About {word}")).await?;
    fill(browser, "/posts", "body", &format!("Begun before the release: {word}")).await?;
    println!("{DRAFTED}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    press(browser, "/posts").await?;
    let heading = format!("//h1[contains(normalize-space(), '{word}')]");
    let shown = browser.wait().for_element(Locator::XPath(&heading)).await;
    if shown.is_err() {
        let (address, title) = (browser.current_url().await?, browser.title().await?);
        shown.map(drop).with_context(|| format!("{address} ({title:?}) does not show the draft"))?;
    }
    let signed_in = browser.find(Locator::Css("form[action='/logout']")).await;
    signed_in.map(drop).context("posted, but no longer signed in")
}

async fn fill(browser: &Client, action: &str, name: &str, text: &str) -> Result<()> {
    let css = format!("form[action='{action}'] [name='{name}']");
    let field = browser.find(Locator::Css(&css)).await.with_context(|| format!("no field {css}"))?;
    Ok(field.send_keys(text).await?)
}

async fn press(browser: &Client, action: &str) -> Result<()> {
    let css = format!("form[action='{action}'] button");
    let button = browser.find(Locator::Css(&css)).await.with_context(|| format!("no button {css}"))?;
    Ok(button.click().await?)
}
