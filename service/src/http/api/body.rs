//! The body of a program's request: JSON to fields, or a refusal that says where it is wrong.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::http::Site;
use crate::http::error::Error;
use crate::http::fields::{is_of, unread};

/// The fields of a posted JSON object.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Site> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Error> {
        if !is_of(request.headers(), "application/json") {
            let reason = "The body must be JSON, and its content-type application/json.";
            return Err(Error::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason.into()));
        }
        let bytes = Bytes::from_request(request, site).await;
        let bytes = bytes.map_err(|refusal| unread(&refusal))?;
        // serde would take a list of the fields' values as well.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Error::Refused(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The body must be a JSON object.".into(),
            ));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| refused(&error))
    }
}

/// What is no JSON cannot be understood; JSON with other fields or kinds of values than are wanted can.
fn refused(error: &serde_json::Error) -> Error {
    let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    Error::Refused(status, format!("The body cannot be read: {error}.").into())
}
