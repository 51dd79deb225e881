//! Whether Stripe sent this: an HMAC-SHA256 over the time and the raw bytes, before anything of them is read.

use std::str::FromStr;

use creel_core::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How far the time of a delivery may be from ours, either way: as in Stripe's own libraries.
pub const TOLERANCE_SECS: u64 = 300;

/// What a secret of a webhook endpoint begins with.
const PREFIX: &str = "whsec_";

/// A secret that is shorter was not made by Stripe, and could be guessed.
const SECRET_MIN_BYTES: usize = 24;

/// More signatures than any rotation has; each one costs a comparison.
const SIGNATURES_MAX: usize = 16;

/// The secrets of one endpoint: one, or two while one replaces the other.
#[derive(Debug, Clone)]
pub struct SigningSecrets(Vec<Secret>);

impl FromStr for SigningSecrets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let secrets: Vec<&str> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        let is_secret = |secret: &&str| secret.starts_with(PREFIX) && secret.len() >= SECRET_MIN_BYTES;
        match secrets.len() {
            1 | 2 if secrets.iter().all(is_secret) => {
                Ok(Self(secrets.into_iter().map(Secret::new).collect()))
            }
            1 | 2 => Err(format!(
                "it is no signing secret; copy it from the endpoint's page at Stripe, it begins with {PREFIX}"
            )),
            0 => Err("there is no secret; without one everybody could sign".to_owned()),
            _ => Err("there are more than two secrets; keep the new one and the one it replaces".to_owned()),
        }
    }
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// There is no header.
    #[error("the header stripe-signature is missing")]
    Missing,
    /// There is more than one header, or it has more than one time.
    #[error("there is more than one signature header")]
    Repeated,
    /// The header has no time, or no signature that could be one.
    #[error("the signature header has no time, or no signature of the scheme v1")]
    Malformed,
    /// It was signed too long ago.
    #[error("it was signed more than 300 seconds ago")]
    TooOld,
    /// It was signed in the future.
    #[error("it was signed more than 300 seconds in the future")]
    TooNew,
    /// No signature is that of a secret of this endpoint.
    #[error("no signature is by a secret of this endpoint, or the body is another one")]
    Wrong,
}

/// Whether one of the secrets signed these bytes within the tolerance. `headers` are all values of `stripe-signature`.
pub fn verify<'a>(
    headers: impl IntoIterator<Item = &'a [u8]>,
    body: &[u8],
    secrets: &SigningSecrets,
    now_secs: u64,
) -> Result<(), Unsigned> {
    let mut headers = headers.into_iter();
    let header = headers.next().ok_or(Unsigned::Missing)?;
    if headers.next().is_some() {
        return Err(Unsigned::Repeated);
    }
    let signed = Signed::parse(header)?;
    if signed.at_secs.saturating_add(TOLERANCE_SECS) < now_secs {
        return Err(Unsigned::TooOld);
    }
    if signed.at_secs > now_secs.saturating_add(TOLERANCE_SECS) {
        return Err(Unsigned::TooNew);
    }
    let time = signed.at_secs.to_string();
    let mut is_good = false;
    for secret in &secrets.0 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            continue;
        };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        // All of them, so that how long it takes does not say which one was right.
        for signature in &signed.signatures {
            is_good |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if is_good { Ok(()) } else { Err(Unsigned::Wrong) }
}

/// What the header says.
struct Signed {
    at_secs: u64,
    signatures: Vec<[u8; 32]>,
}

impl Signed {
    fn parse(header: &[u8]) -> Result<Self, Unsigned> {
        let text = std::str::from_utf8(header).map_err(|_| Unsigned::Malformed)?;
        let mut at_secs = None;
        let mut signatures = Vec::new();
        for part in text.split(',') {
            match part.trim().split_once('=') {
                Some(("t", _)) if at_secs.is_some() => return Err(Unsigned::Repeated),
                Some(("t", time)) => at_secs = Some(parse_time(time)?),
                Some(("v1", digits)) if signatures.len() < SIGNATURES_MAX => {
                    let mut signature = [0; 32];
                    if hex::decode_to_slice(digits, &mut signature).is_ok() {
                        signatures.push(signature);
                    }
                }
                // Other schemes, such as v0 of test events, prove nothing.
                _ => {}
            }
        }
        match at_secs {
            Some(at_secs) if !signatures.is_empty() => Ok(Self { at_secs, signatures }),
            _ => Err(Unsigned::Malformed),
        }
    }
}

/// Digits and nothing else: what is signed is the number as Stripe writes it.
fn parse_time(text: &str) -> Result<u64, Unsigned> {
    let time: u64 = text.parse().map_err(|_| Unsigned::Malformed)?;
    (time.to_string() == text)
        .then_some(time)
        .ok_or(Unsigned::Malformed)
}

/// A header that [`verify`] believes: for the stand-in of Stripe's API.
pub fn sign(body: &[u8], secret: &Secret, at_secs: u64) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(format!("{at_secs}.").as_bytes());
    mac.update(body);
    Some(format!(
        "t={at_secs},v1={}",
        hex::encode(mac.finalize().into_bytes())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_5f4dcc3b5aa765d61d8327deb882cf99";
    const OTHER: &str = "whsec_0192837465aabbccddeeff0011223344";
    const NOW: u64 = 1_795_219_200;
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;

    fn secrets(text: &str) -> SigningSecrets {
        text.parse().expect("secrets")
    }

    fn header(secret: &str, at_secs: u64) -> String {
        sign(BODY, &Secret::new(secret), at_secs).expect("a key of any length")
    }

    fn verified(headers: &[&str], known: &str) -> Result<(), Unsigned> {
        verify(
            headers.iter().map(|header| header.as_bytes()),
            BODY,
            &secrets(known),
            NOW,
        )
    }

    #[test]
    fn it_is_what_openssl_makes_of_it() {
        // printf '1795219200.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac whsec_5f4dcc…
        let made = "t=1795219200,v1=90e1f18cdedd43cab101b32947d941c9a27c096b6b0a1dab7cb2f906e9562b58";
        assert_eq!(header(SECRET, NOW), made);
    }

    #[test]
    fn exactly_what_stripe_signed_within_the_tolerance_passes() {
        let good = header(SECRET, NOW);
        let (time, v1) = good.split_once(',').expect("two parts");
        let v0 = v1.replace("v1=", "v0=");
        let garbage = format!("v1={}", "0".repeat(64));
        for passes in [
            good.clone(),
            header(SECRET, NOW - 300),
            header(SECRET, NOW + 300),
            format!("{time},{garbage},{v1},{v0}"),
            format!("{time},v1=zz,v1=,v1,=,,{v1},v2=x"),
            format!("{v1},{time}"),
            format!("{time}, {v1}"),
        ] {
            assert_eq!(verified(&[&passes], SECRET), Ok(()), "{passes}");
        }
        for (fails, why) in [
            (header(OTHER, NOW), Unsigned::Wrong),
            (header(SECRET, NOW - 301), Unsigned::TooOld),
            (header(SECRET, NOW + 301), Unsigned::TooNew),
            (format!("{time},{garbage}"), Unsigned::Wrong),
            (format!("{time},{v0}"), Unsigned::Malformed),
            (v1.to_owned(), Unsigned::Malformed),
            (time.to_owned(), Unsigned::Malformed),
            (format!("{time},{time},{v1}"), Unsigned::Repeated),
            (format!("t=0{NOW},{v1}"), Unsigned::Malformed),
            (format!("t=+{NOW},{v1}"), Unsigned::Malformed),
            (format!("t=-1,{v1}"), Unsigned::Malformed),
            (format!("t={}0,{v1}", u64::MAX), Unsigned::Malformed),
            (format!("t={},{v1}", u64::MAX), Unsigned::TooNew),
            (format!("t=0,{v1}"), Unsigned::TooOld),
            (format!("{time},{}", &v1[..v1.len() - 2]), Unsigned::Malformed),
            (format!("{time},{v1}00"), Unsigned::Malformed),
            (String::new(), Unsigned::Malformed),
        ] {
            assert_eq!(verified(&[&fails], SECRET), Err(why), "{fails}");
        }
        assert_eq!(verified(&[], SECRET), Err(Unsigned::Missing));
        assert_eq!(verified(&[&good, &good], SECRET), Err(Unsigned::Repeated));
    }

    #[test]
    fn while_a_secret_is_replaced_both_are_good() {
        let (old, new) = (header(SECRET, NOW), header(OTHER, NOW));
        let both = format!("{old},{}", new.split_once(',').expect("two parts").1);
        let known = format!("{OTHER}, {SECRET}");
        for passes in [&old, &new, &both] {
            assert_eq!(verified(&[passes], &known), Ok(()), "{passes}");
        }
        assert_eq!(verified(&[&both], SECRET), Ok(()));
        assert_eq!(verified(&[&old], OTHER), Err(Unsigned::Wrong));
    }

    #[test]
    fn one_byte_more_less_or_other_is_another_body() {
        let header = header(SECRET, NOW);
        let changed = |body: &[u8]| verify([header.as_bytes()], body, &secrets(SECRET), NOW);
        assert_eq!(changed(BODY), Ok(()));
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(changed(&body), Err(Unsigned::Wrong));
            assert_eq!(changed(&BODY[..at]), Err(Unsigned::Wrong));
        }
        for other in [
            &b""[..],
            br#"{"id": "evt_1", "object": "event"}"#,
            br#"{"id":"evt_1","object":"event"} "#,
            br#"{"id":"evt_1","object":"\u0065vent"}"#,
        ] {
            assert_eq!(changed(other), Err(Unsigned::Wrong));
        }
    }

    #[test]
    fn no_secret_and_no_guessable_one_is_a_secret() {
        for wrong in ["", ",", "whsec_", "whsec_short", "sk_test_0192837465aabbccddeeff"] {
            assert!(wrong.parse::<SigningSecrets>().is_err(), "{wrong}");
        }
        let three = [SECRET; 3].join(",");
        assert!(three.parse::<SigningSecrets>().is_err());
        let shown = format!("{:?}", secrets(SECRET));
        assert!(!shown.contains("5f4dcc"), "{shown}");
    }
}
