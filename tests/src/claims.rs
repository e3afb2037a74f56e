//! What every endpoint of this site must do, as a list: one claim, one function, one line of output.
//!
//! A claim writes only content of its own and never removes anything. Where visitors would see that, the endpoint says so
//! ([`Endpoint::read_only`]) and only those are checked that leave nothing. Invariant: a claim takes a [`Client`] and nothing else.

mod errors;
mod files;
mod health;
mod limits;
mod posts;
mod protocols;
mod redirect;
mod trust;

pub use files::static_path;

use anyhow::{Result, bail};

use crate::{Client, Endpoint};

/// One thing that is said of the site.
#[derive(Clone, Copy)]
pub struct Claim {
    /// The claim itself, readable as a sentence.
    pub name: &'static str,
    /// Checks it.
    pub check: fn(&Client) -> Result<()>,
}

/// Names each function after itself, so that list and sentence cannot differ.
macro_rules! claims {
    ($($module:ident::{$($claim:ident),+ $(,)?}),+ $(,)?) => {
        &[$($(Claim { name: stringify!($claim), check: $module::$claim }),+),+]
    };
}

/// Claims that leave nothing behind, the most fundamental first.
const READING: &[Claim] = claims![
    trust::{
        the_certificate_is_verified_for_the_host_name,
        another_root_is_refused,
        another_host_name_is_refused,
        a_request_for_another_host_is_misdirected,
    },
    protocols::{http_1_1_answers, http_2_answers, a_browser_is_given_http_2, head_has_the_headers_and_no_body},
    redirect::{
        plain_http_redirects_keeping_path_and_query,
        the_redirect_never_leaves_the_host,
    },
    health::{the_process_lives, the_database_answers, the_newest_posts_are_read},
    files::{
        a_static_file_is_revalidated_by_its_etag,
        a_hashed_name_is_immutable,
        a_path_never_leaves_the_static_files,
    },
    errors::{pages_carry_security_headers, a_missing_page_is_404, a_wrong_method_is_405},
    limits::{a_body_beyond_the_limit_is_refused, an_endless_header_is_refused},
];

/// Claims that register a person and may post.
const WRITING: &[Claim] = claims![posts::{
    a_posted_row_is_read_back,
    a_row_keeps_every_script,
    posted_markup_is_escaped,
    a_post_from_another_site_is_refused,
    a_post_from_a_stranger_is_refused,
    a_form_without_its_fields_is_refused,
}];

/// The claims that an endpoint is judged by; all of them where there is none.
pub fn of(endpoint: Option<&Endpoint>) -> impl Iterator<Item = &'static Claim> {
    let writing = if endpoint.is_some_and(|endpoint| endpoint.read_only) { &[] } else { WRITING };
    READING.iter().chain(writing)
}

/// Checks every claim of the client's endpoint.
///
/// # Errors
/// When one does not hold: all that do not, each with its reason.
pub fn judge(client: &Client) -> Result<()> {
    let failed =
        |claim: &Claim| (claim.check)(client).err().map(|error| format!("{}: {error:#}", claim.name));
    let failures: Vec<String> = of(Some(client.endpoint())).filter_map(failed).collect();
    if !failures.is_empty() {
        bail!("{} claims do not hold:\n{}", failures.len(), failures.join("\n"));
    }
    Ok(())
}
