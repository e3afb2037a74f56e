//! Static files: cheap to keep, cheap to ask about again, and nothing else is reachable by them.

use anyhow::{Context, Result, ensure};
use http::{StatusCode, header};

use crate::{Client, Request, page};

pub(super) fn a_static_file_is_revalidated_by_its_etag(client: &Client) -> Result<()> {
    let path = static_path(client)?;
    let file = client.get(&path)?.expect(StatusCode::OK)?;
    ensure!(!file.body.is_empty(), "{path} is empty");
    let etag = file.header("etag")?.to_owned();
    let same = Request::get(&path).header(header::IF_NONE_MATCH, &etag);
    client.send(&same)?.expect(StatusCode::NOT_MODIFIED)?.expect_empty()?;
    let other = Request::get(&path).header(header::IF_NONE_MATCH, "\"another\"");
    client.send(&other)?.expect(StatusCode::OK).map(drop)
}

pub(super) fn a_hashed_name_is_immutable(client: &Client) -> Result<()> {
    let file = client.get(&static_path(client)?)?.expect(StatusCode::OK)?;
    let kept = file.header("cache-control")?;
    let for_a_year = kept.contains("max-age=31536000") && kept.contains("immutable");
    ensure!(for_a_year, "max-age=31536000 and immutable wanted, got {kept:?} from {}", file.asked);
    Ok(())
}

pub(super) fn a_path_never_leaves_the_static_files(client: &Client) -> Result<()> {
    let path = static_path(client)?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for away in
        ["/../config.toml", "/%2e%2e/boot/config.toml", "/..%2fboot%2fconfig.toml", "//boot/config.toml"]
    {
        let missing = [StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST];
        client.get(&format!("{folder}{away}"))?.expect_one_of(&missing)?;
    }
    Ok(())
}

/// A static file of the site under its hashed name, found without the database: the page of a missing page loads it.
///
/// # Errors
/// When that page loads none.
pub fn static_path(client: &Client) -> Result<String> {
    let page = client.get("/no-such-page")?.expect(StatusCode::NOT_FOUND)?;
    let path = page::assets(page.text()?).into_iter().next();
    path.with_context(|| format!("the page loads no file of its own: {page}"))
}
