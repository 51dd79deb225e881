//! `POST /hosts/enroll`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::body;
use super::caller::{KEY_HEADER, Newcomer};
use crate::data_api::{DataApi, Repeat};
use crate::failure::Failure;

/// A key that somebody could guess is none: as long as 16 random bytes are, written in hexadecimal.
const KEY_MIN_BYTES: usize = 32;

/// Makes a host of whoever has a code. The host's key stays what it is: its hash is all that is kept of it.
pub(super) async fn enroll(
    State(api): State<DataApi>,
    newcomer: Newcomer,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let members = body::read(body)?;
    let code = body::text(&members, "code")?
        .ok_or_else(|| Failure::bad_request("code is missing", "send the code that the host's owner made"))?;
    let argument = json!({
        "code": code,
        "key_sha256": key_sha256(&newcomer, body::text(&members, "key_sha256")?)?,
        "platform": body::text(&members, "platform")?,
        "name": body::text(&members, "name")?,
    });
    // With its key a second call finds what the first one made.
    let made = api
        .call(&newcomer, "enroll_host_by_code", &argument, Repeat::Always)
        .await?;
    Ok(Json(json!({ "ok": true, "host_id": made["host_id"] })))
}

fn key_sha256(newcomer: &Newcomer, sent: Option<&str>) -> Result<String, Failure> {
    match (sent, &newcomer.key) {
        (Some(digits), _) if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(digits.to_ascii_lowercase())
        }
        (Some(_), _) => Err(Failure::invalid(
            "key_sha256 is no SHA-256",
            "send 64 hexadecimal digits",
        )),
        (None, Some(key)) if key.expose().len() >= KEY_MIN_BYTES => {
            Ok(hex::encode(Sha256::digest(key.expose().as_bytes())))
        }
        (None, Some(_)) => Err(Failure::invalid(
            "the key is too short",
            "make it of 32 random bytes, such as by openssl rand -hex 32",
        )),
        (None, None) => Err(Failure::bad_request(
            "the host's key is missing",
            format!("make a random key, and send it as {KEY_HEADER}, or its SHA-256 as key_sha256"),
        )),
    }
}
