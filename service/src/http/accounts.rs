//! Accounts: `/register`, `/login`, `/logout`, and `/account` for the person themselves.
//!
//! Names are public, they stand on every post; so registration may say that one is taken. Whether a name has an account,
//! and whether it was the name or the password that was wrong, sign-in never says, in words or in time.

mod entrance;
mod form;
mod settings;
mod tokens;

use axum::Router;
use axum::routing::{get, post};

use super::Site;

pub(super) use form::is_name;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/register", get(entrance::register_page).post(entrance::register))
        .route("/login", get(entrance::login_page).post(entrance::login))
        .route("/logout", post(entrance::logout))
        .route("/account", get(settings::show))
        .route("/account/profile", post(settings::set_profile))
        .route("/account/password", post(settings::set_password))
        .route("/account/session", post(settings::end_session))
        .route("/account/tokens", post(tokens::make))
        .route("/account/tokens/revoke", post(tokens::revoke))
        .route("/account/delete", post(settings::delete))
}
