//! A row written by a member is read back on the front page, and is only ever text.

use anyhow::{Result, bail, ensure};
use http::{HeaderName, StatusCode, header};

use crate::page::Form;
use crate::{Answer, Client, unique};

/// After a post the browser is sent to a page it can reload: 303 (RFC 9110, 15.4.4).
const POSTED: StatusCode = StatusCode::SEE_OTHER;

/// What a visitor gets who sent a form that cannot be accepted.
const REFUSED: [StatusCode; 3] =
    [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::UNSUPPORTED_MEDIA_TYPE];

pub(super) fn a_posted_row_is_read_back(client: &Client) -> Result<()> {
    read_back(client, &unique::word("smoke-row")).map(drop)
}

pub(super) fn a_row_keeps_every_script(client: &Client) -> Result<()> {
    let text = format!("{} Grüße, 世界, שלום, 🦀", unique::word("smoke-script"));
    read_back(client, &text).map(drop)
}

pub(super) fn posted_markup_is_escaped(client: &Client) -> Result<()> {
    let word = unique::word("smoke-markup");
    let front = post(client, &format!("<script>{word}</script>\"'<img src={word}>"))?;
    let text = front.text()?;
    ensure!(text.contains(&word), "the row is not on the front page: {front}");
    for raw in [format!("<script>{word}"), format!("<img src={word}")] {
        ensure!(!text.contains(&raw), "the front page carries the markup {raw}");
    }
    Ok(())
}

pub(super) fn a_post_from_another_site_is_refused(client: &Client) -> Result<()> {
    let word = unique::word("smoke-foreign");
    let mut request = form(client)?.filled(&client.endpoint().host, &word);
    request.headers.retain(|(name, _)| *name == header::CONTENT_TYPE);
    let request = client.visitor()?.signed(request);
    let request = request
        .header(header::ORIGIN, "https://elsewhere.example")
        .header(HeaderName::from_static("sec-fetch-site"), "cross-site");
    client.send(&request)?.expect(StatusCode::FORBIDDEN)?;
    absent(client, &word)
}

pub(super) fn a_form_without_its_fields_is_refused(client: &Client) -> Result<()> {
    let form = form(client)?;
    for body in ["", "nothing=1", "%zz=%", "\u{0}"] {
        let mut request = form.filled(&client.endpoint().host, "");
        request.body = body.into();
        client.send(&client.visitor()?.signed(request))?.expect_one_of(&REFUSED)?;
    }
    let empty = form.filled(&client.endpoint().host, "   ");
    client.send(&client.visitor()?.signed(empty))?.expect_one_of(&REFUSED).map(drop)
}

pub(super) fn a_post_from_a_stranger_is_refused(client: &Client) -> Result<()> {
    let word = unique::word("smoke-stranger");
    let request = form(client)?.filled(&client.endpoint().host, &word);
    client.send(&request)?.expect(StatusCode::UNAUTHORIZED)?;
    absent(client, &word)
}

fn form(client: &Client) -> Result<Form> {
    client.visitor()?.post_form(client)
}

/// Posts `text` and returns the front page.
fn post(client: &Client, text: &str) -> Result<Answer> {
    let request = form(client)?.filled(&client.endpoint().host, text);
    client.send(&client.visitor()?.signed(request))?.expect(POSTED)?.header("location")?;
    client.get("/")?.expect(StatusCode::OK)
}

fn read_back(client: &Client, text: &str) -> Result<Answer> {
    let front = post(client, text)?;
    ensure!(front.text()?.contains(text), "{text:?} was posted and is not on {front}");
    Ok(front)
}

fn absent(client: &Client, word: &str) -> Result<()> {
    if client.get("/")?.expect(StatusCode::OK)?.text()?.contains(word) {
        bail!("{word} was refused and stands on the front page")
    }
    Ok(())
}
