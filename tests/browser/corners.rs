//! What the first visitor does not meet: every form refused, two edits of one post, lists longer than a page, a text that
//! was not sent, and a person who has keys only.

use anyhow::{Context, Result, ensure};
use fantoccini::Locator;
use serde_json::Value;
use tests::stand::random_word;
use tests::unique;

use super::page::Visitor;
use super::visit::{goes_for_good, registers};

/// As WebDriver names them (section 17.4.2).
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
/// More than a list shows at once.
const MANY: usize = 25;

pub(super) async fn story(visitor: &Visitor<'_>) -> Result<()> {
    let name = format!("w{}", &random_word()?[..12]).to_lowercase();
    let password = random_word()?;
    let word = unique::word("corner").replace('-', "");
    is_refused_at_the_entrance(visitor, &name).await.context("a refused entrance")?;
    registers(visitor, &name, &password).await.context("registering")?;
    is_refused_with_a_post(visitor).await.context("a refused post")?;
    let post = edits_what_has_changed(visitor, &word).await.context("a post that was changed meanwhile")?;
    is_refused_with_a_comment(visitor, &post).await.context("a refused comment")?;
    is_refused_with_a_password(visitor).await.context("a refused change of password")?;
    finds_nothing(visitor).await.context("a search without results")?;
    has_a_long_name(visitor, &name).await.context("a name wider than a phone")?;
    reads_a_long_list(visitor, &word).await.context("a long list")?;
    finds_a_draft_again(visitor, &word).await.context("a draft")?;
    let refused = finds_a_refused_draft_again(visitor, &name, &password, &post).await;
    refused.context("a draft that was refused")?;
    // From a page with another heading: the next address must not be typed before the sign-out is answered, and lose.
    visitor.open("/account").await?;
    visitor.send("/logout", "Newest posts").await?;
    signs_in_by_keys(visitor, &name, &password).await.context("keys only")?;
    goes_for_good(visitor, &password).await.context("leaving")
}

async fn is_refused_at_the_entrance(visitor: &Visitor<'_>, name: &str) -> Result<()> {
    visitor.open("/register").await?;
    visitor.fill("/register", "name", "-").await?;
    visitor.fill("/register", "password", "short").await?;
    visitor.send_unchecked("/register", "Join").await?;
    visitor.becomes("document.querySelectorAll('[aria-invalid]').length == 2").await?;
    visitor.look("register-refused").await?;
    visitor.open("/login").await?;
    visitor.fill("/login", "name", name).await?;
    visitor.fill("/login", "password", "a wrong password").await?;
    visitor.send("/login", "Sign in").await?;
    visitor.becomes("document.querySelector('.fault[role=alert]') != null").await?;
    visitor.look("login-refused").await
}

async fn is_refused_with_a_post(visitor: &Visitor<'_>) -> Result<()> {
    visitor.open("/posts/new").await?;
    visitor.fill("/posts", "tags", "one two three four five six").await?;
    visitor.send_unchecked("/posts", "Not published yet").await?;
    visitor.look("edit_post-refused").await
}

/// The path of the post.
async fn edits_what_has_changed(visitor: &Visitor<'_>, word: &str) -> Result<String> {
    let text = [("title", "Before"), ("body", "the first text"), ("tags", word)];
    let post = visitor.post("/posts", &text).await?;
    let edit = format!("{post}/edit");
    visitor.open(&edit).await?;
    visitor.look("edit_post-edit").await?;
    visitor.fill(&edit, "title", "Mine").await?;
    let other = [("title", "Theirs"), ("body", "another text"), ("tags", word), ("version", "1")];
    visitor.post(&edit, &other).await?;
    visitor.send(&edit, "Changed meanwhile").await?;
    ensure!(visitor.shows("another text").await?, "what the post says now is not shown");
    visitor.look("edit_post-changed").await?;
    visitor.send(&edit, "Mine").await?;
    let summary = Locator::Css(".actions summary");
    visitor.browser.find(summary).await?.click().await?;
    visitor.look("post-open").await?;
    visitor.open(&format!("{post}/history")).await?;
    visitor.reads("History").await?;
    ensure!(visitor.shows("the first text").await?, "the first version is not in the history");
    visitor.look("history").await?;
    Ok(post)
}

async fn is_refused_with_a_comment(visitor: &Visitor<'_>, post: &str) -> Result<()> {
    visitor.open(post).await?;
    visitor.send_unchecked(&format!("{post}/comments"), "Mine").await?;
    visitor.becomes("document.querySelector('#body-fault') != null").await?;
    visitor.look("post-refused").await
}

async fn is_refused_with_a_password(visitor: &Visitor<'_>) -> Result<()> {
    visitor.open("/account").await?;
    visitor.fill("/account/password", "current", "not my password").await?;
    visitor.fill("/account/password", "new", "another horse entirely").await?;
    visitor.send("/account/password", "Account").await?;
    visitor.becomes("document.querySelector('#current-fault') != null").await?;
    visitor.look("account-refused").await
}

async fn finds_nothing(visitor: &Visitor<'_>) -> Result<()> {
    visitor.open("/search?q=zzzzzzzzzz").await?;
    ensure!(visitor.shows("No post has all of these words").await?, "something is found");
    visitor.look("search-empty").await?;
    visitor.open("/search?q=a").await?;
    ensure!(visitor.shows("at least one word").await?, "nothing is said of what can be searched");
    visitor.look("search-none").await
}

/// The longest that each field takes, in one word.
async fn has_a_long_name(visitor: &Visitor<'_>, name: &str) -> Result<()> {
    let (shown, tag) = ("W".repeat(60), "m".repeat(30));
    visitor.post("/account/profile", &[("display_name", &shown), ("about", &"W".repeat(500))]).await?;
    let text = [("title", &*"W".repeat(120)), ("body", &*"W".repeat(900)), ("tags", &*tag)];
    let post = visitor.post("/posts", &text).await?;
    let search = format!("/search?q={}", "W".repeat(200));
    let tag = format!("/tags/{tag}");
    for (path, look) in
        [(&*post, "post"), (&tag, "tag"), (&format!("/people/{name}"), "person"), (&search, "search")]
    {
        visitor.open(path).await?;
        visitor.look(&format!("{look}-long")).await.with_context(|| path.to_owned())?;
    }
    Ok(())
}

/// With JavaScript the next page is put below the first, and the focus is on its first row; the address is a page too.
async fn reads_a_long_list(visitor: &Visitor<'_>, word: &str) -> Result<()> {
    for number in 0..MANY {
        let title = format!("Number {number}");
        visitor.post("/posts", &[("title", &title), ("body", "text"), ("tags", word)]).await?;
    }
    let list = format!("/tags/{word}");
    visitor.open(&list).await?;
    visitor.look("tag").await?;
    let rows = "document.querySelectorAll('#list > li').length";
    ensure!(visitor.ask(rows).await? == 20, "the first page has other rows");
    visitor.browser.find(Locator::Css("a[rel=next]")).await?.click().await?;
    visitor.becomes(&format!("{rows} == {}", MANY + 1)).await?;
    visitor.becomes("document.activeElement.closest('#list > li:nth-child(21)') != null").await?;
    let there = visitor.browser.current_url().await?;
    ensure!(there.path() == list && there.query().is_none(), "the page was left for {there}");
    ensure!(
        visitor.ask("document.querySelector('a[rel=next]')").await? == Value::Null,
        "there is a third page"
    );
    visitor.look("tag-extended").await?;
    visitor.open("/").await?;
    let next = visitor.ask("document.querySelector('a[rel=next]').getAttribute('href')").await?;
    visitor.open(next.as_str().context("no second page")?).await?;
    visitor.reads("Older posts").await?;
    visitor.look("posts-second").await
}

/// What was written and not sent is there after a reload, and gone when it was sent.
async fn finds_a_draft_again(visitor: &Visitor<'_>, word: &str) -> Result<()> {
    let fields = "['title', 'body', 'tags'].map((name) => document.getElementById(name).value).join('|')";
    visitor.open("/posts/new").await?;
    visitor.fill("/posts", "title", "Unsent").await?;
    visitor.fill("/posts", "body", "a long text").await?;
    visitor.fill("/posts", "tags", word).await?;
    visitor.browser.refresh().await?;
    let kept = visitor.ask(fields).await?;
    ensure!(kept == format!("Unsent|a long text|{word}"), "the draft is {kept}");
    visitor.send("/posts", "Unsent").await?;
    visitor.open("/posts/new").await?;
    let kept = visitor.ask(fields).await?;
    ensure!(kept == "||", "what was sent is a draft again: {kept}");
    Ok(())
}

/// What was refused because nobody was signed in any more is kept over the sign-in and whatever is read then, and not shown
/// to who signs in after a sign-out.
async fn finds_a_refused_draft_again(
    visitor: &Visitor<'_>,
    name: &str,
    password: &str,
    post: &str,
) -> Result<()> {
    let body = "document.getElementById('body').value";
    visitor.open("/posts/new").await?;
    visitor.fill("/posts", "title", "Refused").await?;
    visitor.fill("/posts", "body", "a long text").await?;
    visitor.browser.delete_all_cookies().await?;
    visitor.send("/posts", "Please sign in").await?;
    signs_in(visitor, name, password).await?;
    visitor.open(post).await?;
    visitor.open("/posts/new").await?;
    let kept = visitor.ask(body).await?;
    ensure!(kept == "a long text", "the refused text is {kept}");
    visitor.send("/logout", "Newest posts").await?;
    signs_in(visitor, name, password).await?;
    visitor.open("/posts/new").await?;
    let kept = visitor.ask(body).await?;
    ensure!(kept == "", "signing out has left {kept}");
    Ok(())
}

async fn signs_in(visitor: &Visitor<'_>, name: &str, password: &str) -> Result<()> {
    visitor.open("/login").await?;
    visitor.fill("/login", "name", name).await?;
    visitor.fill("/login", "password", password).await?;
    visitor.send("/login", "Newest posts").await
}

/// From the top of the page to the sign-in, and through it, without a pointer.
async fn signs_in_by_keys(visitor: &Visitor<'_>, name: &str, password: &str) -> Result<()> {
    visitor.open("/login").await?;
    visitor.press(TAB).await?;
    visitor.becomes("document.activeElement.matches('a.skip')").await?;
    let seen = "document.activeElement.getBoundingClientRect().top >= 0";
    visitor.becomes(seen).await.context("the skip link is not seen")?;
    visitor.look("login-skip").await?;
    visitor.press(ENTER).await?;
    // The address changes before the focus does.
    visitor.becomes("document.activeElement.id == 'content'").await?;
    visitor.press(TAB).await?;
    visitor.becomes("document.activeElement.name == 'name'").await.context("the content is not next")?;
    visitor.press(name).await?;
    visitor.press(TAB).await?;
    visitor.press(password).await?;
    visitor.press(TAB).await?;
    visitor.becomes("document.activeElement.matches('form[action=\"/login\"] button')").await?;
    visitor.press(ENTER).await?;
    visitor.reads("posts").await?;
    visitor.becomes("document.querySelector('form[action=\"/logout\"]') != null").await
}
