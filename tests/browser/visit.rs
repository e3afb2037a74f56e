//! The visit itself.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use tests::browser::{Appearance, Driver};
use tests::stand::random_word;
use tests::unique;

use super::page::Visitor;
use super::{Place, corners};

/// From the front page to the deletion of the account.
pub(super) fn pay(place: &Place, appearance: Appearance) -> Result<()> {
    visit(place, appearance, async |visitor| story(visitor).await)
}

/// Of the person who may see how the machine does.
pub(super) fn operate(place: &Place, appearance: Appearance) -> Result<()> {
    visit(place, appearance, async |visitor| operators_story(visitor, &place.operator).await)
}

/// By the ways and states that the first visitor does not meet.
pub(super) fn explore(place: &Place, appearance: Appearance) -> Result<()> {
    visit(place, appearance, async |visitor| corners::story(visitor).await)
}

fn visit(
    place: &Place,
    appearance: Appearance,
    story: impl AsyncFnOnce(&Visitor<'_>) -> Result<()>,
) -> Result<()> {
    let driver = Driver::start(&place.screenshots.join(format!("{}.log", appearance.name())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let browser = driver.browser(Some(&place.endpoint.host), appearance).await?;
        let visitor = Visitor::new(browser.clone(), place, appearance);
        let outcome = story(&visitor).await;
        // The browser ends with its driver in any case; what matters is how the visit went.
        let _ = browser.close().await;
        outcome
    })
}

async fn story(visitor: &Visitor<'_>) -> Result<()> {
    let name = format!("v{}", &random_word()?[..12]).to_lowercase();
    let password = random_word()?;
    looks_around(visitor).await.context("looking around")?;
    registers(visitor, &name, &password).await.context("registering")?;
    let word = unique::word("browser").replace('-', "");
    writes(visitor, &word).await.context("writing")?;
    comments(visitor, &word).await.context("commenting")?;
    searches(visitor, &word).await.context("searching")?;
    comes_back(visitor, &name, &password).await.context("coming back")?;
    goes_for_good(visitor, &password).await.context("leaving")
}

async fn operators_story(visitor: &Visitor<'_>, (name, password): &(String, String)) -> Result<()> {
    visitor.open("/login").await?;
    visitor.fill("/login", "name", name).await?;
    visitor.fill("/login", "password", password).await?;
    visitor.send("/login", "posts").await.context("signing in")?;
    visitor.open("/status").await?;
    visitor.reads("Status").await?;
    ensure!(visitor.shows("Requests in the last hour").await?, "no figures");
    let charts = visitor.browser.find_all(Locator::Css("figure svg[role='img'] rect")).await?;
    ensure!(!charts.is_empty(), "no charts");
    visitor.look("status").await?;
    visitor.send("/status/certificate", "Status").await?;
    let told = "document.querySelector('p.done')?.textContent.includes('is being renewed') ?? false";
    visitor.becomes(told).await.context("a wish is not confirmed")?;
    visitor.look("status-wished").await?;
    visitor.send("/logout", "Newest posts").await.context("signing out")
}

async fn looks_around(visitor: &Visitor<'_>) -> Result<()> {
    visitor.open("/").await?;
    visitor.reads("posts").await?;
    visitor.look("posts").await?;
    visitor.open("/no-such-page").await?;
    visitor.reads("Not found").await?;
    visitor.look("error").await
}

pub(super) async fn registers(visitor: &Visitor<'_>, name: &str, password: &str) -> Result<()> {
    visitor.open("/register").await?;
    visitor.look("register").await?;
    visitor.fill("/register", "name", name).await?;
    visitor.fill("/register", "password", password).await?;
    visitor.send("/register", "posts").await?;
    visitor.look("posts-signed-in").await
}

async fn writes(visitor: &Visitor<'_>, word: &str) -> Result<()> {
    visitor.open("/posts/new").await?;
    visitor.look("edit_post").await?;
    visitor.fill("/posts", "title", &format!("About {word}")).await?;
    // The last line is what would break the page for a screen reader: a heading too deep, one without words, empty links.
    let odd = "#### Deep\n\n#\n\n![](https://example.com/a.png) [](/)";
    let text = format!("**Strong** {word}\n\n- one\n- two\n\n`code`\n\n{odd}");
    visitor.fill("/posts", "body", &text).await?;
    visitor.fill("/posts", "tags", "browser").await?;
    visitor.send("/posts", word).await?;
    let strong = visitor.browser.find(Locator::Css("main .body strong")).await.context("no Markdown")?;
    ensure!(strong.text().await? == "Strong", "Markdown shows something else");
    visitor.look("post").await
}

async fn comments(visitor: &Visitor<'_>, word: &str) -> Result<()> {
    let path = visitor.browser.current_url().await?.path().to_owned();
    let action = format!("{path}/comments");
    visitor.fill(&action, "body", &format!("A comment on {word}")).await?;
    visitor.send(&action, word).await?;
    visitor.browser.wait().for_element(Locator::Css(".comments li")).await.context("no comment")?;
    ensure!(visitor.shows(&format!("A comment on {word}")).await?, "the comment is not on the page");
    visitor.look("post-comment").await
}

async fn searches(visitor: &Visitor<'_>, word: &str) -> Result<()> {
    let field = visitor.browser.find(Locator::Css("form.search [name='q']")).await?;
    field.send_keys(&format!("{word}\n")).await?;
    visitor.reads("Search").await?;
    ensure!(visitor.shows(&format!("About {word}")).await?, "the post is not found");
    visitor.look("search").await
}

/// Signs out, is nobody then, and signs in again.
async fn comes_back(visitor: &Visitor<'_>, name: &str, password: &str) -> Result<()> {
    visitor.send("/logout", "Newest posts").await?;
    visitor.open("/account").await?;
    visitor.reads("Sign in").await?;
    visitor.look("login").await?;
    visitor.fill("/login", "name", name).await?;
    visitor.fill("/login", "password", password).await?;
    visitor.send("/login", "Account").await?;
    visitor.look("account").await?;
    makes_and_revokes_a_token(visitor).await.context("making a token")?;
    visitor.open(&format!("/people/{name}")).await?;
    visitor.reads(name).await?;
    visitor.look("person").await
}

async fn makes_and_revokes_a_token(visitor: &Visitor<'_>) -> Result<()> {
    visitor.fill("/account/tokens", "name", "a program").await?;
    visitor.send("/account/tokens", "Account").await?;
    visitor.browser.wait().for_element(Locator::Css(".done code")).await.context("no token is shown")?;
    visitor.look("account-token").await?;
    visitor.send("/account/tokens/revoke", "Account").await?;
    let done = Locator::XPath("//*[@class='done'][contains(., 'The token is revoked.')]");
    visitor.browser.wait().for_element(done).await.map(drop).context("the token is not revoked")
}

pub(super) async fn goes_for_good(visitor: &Visitor<'_>, password: &str) -> Result<()> {
    visitor.open("/account").await?;
    visitor.reads("Account").await?;
    let summary = Locator::Css("section[aria-labelledby='delete-title'] summary");
    visitor.browser.find(summary).await?.click().await?;
    visitor.look("account-open").await?;
    visitor.fill("/account/delete", "password", password).await?;
    visitor
        .browser
        .find(Locator::Css("form[action='/account/delete'] [name='posts']"))
        .await?
        .click()
        .await?;
    visitor.send("/account/delete", "Newest posts").await?;
    visitor.open("/account").await?;
    visitor.reads("Sign in").await
}
