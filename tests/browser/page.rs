//! What a visitor does with a page: open it, fill it in, press, read, look.
//!
//! Invariant: a page counts as seen only after axe has judged it and its picture is kept.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use tests::browser::Appearance;

use super::{Place, axe};

/// A page under emulation, with its password hashed there, takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser at the site.
pub(super) struct Visitor<'a> {
    pub(super) browser: Client,
    place: &'a Place,
    appearance: Appearance,
    seen: Cell<u32>,
}

impl<'a> Visitor<'a> {
    pub(super) fn new(browser: Client, place: &'a Place, appearance: Appearance) -> Self {
        Self { browser, place, appearance, seen: Cell::new(0) }
    }

    /// Types an address of the site.
    pub(super) async fn open(&self, path: &str) -> Result<()> {
        let endpoint = &self.place.endpoint;
        let port = endpoint.https.rsplit_once(':').map_or("443", |(_, port)| port);
        let url = format!("https://{}:{port}{path}", endpoint.host);
        self.browser.goto(&url).await.with_context(|| format!("cannot open {url}"))
    }

    /// Writes into the field of this name in the form that goes to `action`.
    pub(super) async fn fill(&self, action: &str, name: &str, text: &str) -> Result<()> {
        let css = format!("form[action='{action}'] [name='{name}']");
        let field = self.browser.find(Locator::Css(&css)).await.with_context(|| format!("no field {css}"))?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Presses the button of the form that goes to `action`, and waits for a page with this heading.
    pub(super) async fn send(&self, action: &str, heading: &str) -> Result<()> {
        let css = format!("form[action='{action}'] button");
        let button =
            self.browser.find(Locator::Css(&css)).await.with_context(|| format!("no button {css}"))?;
        button.click().await?;
        self.reads(heading).await
    }

    /// Sends the form that goes to `action` without the browser's own judgement, as others do.
    pub(super) async fn send_unchecked(&self, action: &str, heading: &str) -> Result<()> {
        let script = "document.querySelector(`form[action='${arguments[0]}']`).noValidate = true;";
        self.browser.execute(script, vec![action.into()]).await?;
        self.send(action, heading).await
    }

    /// Presses keys, wherever the focus is: keys that are sent to an element may move the focus to it first.
    pub(super) async fn press(&self, keys: &str) -> Result<()> {
        let press = |actions: KeyActions, value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        };
        let actions = keys.chars().fold(KeyActions::new("keys".to_owned()), press);
        Ok(self.browser.perform_actions(actions).await?)
    }

    /// What an expression says of the page.
    pub(super) async fn ask(&self, expression: &str) -> Result<Value> {
        self.browser
            .execute(&format!("return {expression};"), Vec::new())
            .await
            .context(expression.to_owned())
    }

    /// Waits until an expression is true of the page.
    pub(super) async fn becomes(&self, expression: &str) -> Result<()> {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.ask(expression).await? != Value::Bool(true) {
            if tokio::time::Instant::now() >= until {
                let focus = self.ask("document.activeElement.outerHTML.slice(0, 200)").await?;
                bail!("it does not become true: {expression}; the focus is on {focus}");
            }
        }
        Ok(())
    }

    /// Sends a form as the page's own script would, without leaving the page; where its answer leads.
    pub(super) async fn post(&self, action: &str, fields: &[(&str, &str)]) -> Result<String> {
        let script = "const [action, fields, done] = arguments; \
            fetch(action, { method: 'POST', body: new URLSearchParams(fields) }) \
              .then((answer) => done(answer.ok ? new URL(answer.url).pathname : `refused: ${answer.status}`), \
                    (error) => done(`failed: ${error}`));";
        let fields: Vec<Value> = fields.iter().map(|(name, value)| json!([name, value])).collect();
        let led = self.browser.execute_async(script, vec![action.into(), fields.into()]).await?;
        let led = led.as_str().unwrap_or_default().to_owned();
        ensure!(led.starts_with('/'), "{action}: {led}");
        Ok(led)
    }

    /// Waits until the page's heading holds `text`.
    pub(super) async fn reads(&self, text: &str) -> Result<()> {
        let xpath = format!("//h1[contains(normalize-space(), '{text}')]");
        let found = self.browser.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await;
        if found.is_err() {
            let title = self.browser.title().await?;
            let url = self.browser.current_url().await?;
            self.keep("failed").await?;
            found.map(drop).with_context(|| format!("{url} ({title:?}) has no heading {text:?}"))?;
        }
        Ok(())
    }

    /// Whether the page shows `text` somewhere.
    pub(super) async fn shows(&self, text: &str) -> Result<bool> {
        let body = self.browser.find(Locator::Css("main")).await?;
        Ok(body.text().await?.contains(text))
    }

    /// Keeps the page's picture, lets axe judge it, and measures that nothing sticks out at the side.
    pub(super) async fn look(&self, name: &str) -> Result<()> {
        self.keep(name).await?;
        axe::judge(&self.browser, &self.place.axe, name).await?;
        let script = "return [document.documentElement.scrollWidth, innerWidth, \
                      matchMedia('(prefers-color-scheme: dark)').matches];";
        let told = self.browser.execute(script, Vec::new()).await?;
        let (wide, window) = (told[0].as_u64(), told[1].as_u64());
        ensure!(wide <= window, "{name} is {wide:?} pixels wide in a window of {window:?}");
        ensure!(
            told[2].as_bool() == Some(self.appearance.is_dark()),
            "the browser is not {:?}",
            self.appearance
        );
        ensure!(
            self.appearance == Appearance::Desk || window == Some(self.appearance.width().into()),
            "{told}"
        );
        Ok(())
    }

    async fn keep(&self, name: &str) -> Result<()> {
        let number = self.seen.replace(self.seen.get() + 1);
        let file = format!("{}-{number:02}-{name}.png", self.appearance.name());
        let picture = self.browser.screenshot().await?;
        let path = self.place.screenshots.join(file);
        fs::write(&path, picture).with_context(|| format!("cannot write {}", path.display()))
    }
}
