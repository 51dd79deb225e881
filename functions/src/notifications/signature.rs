//! The signature of Standard Webhooks: `v1,` and the HMAC-SHA256 of id, time and body, for each secret that is good.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use creel_core::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with, so that people know what it is.
const PREFIX: &str = "whsec_";

/// The value of the header `webhook-signature`; none where a secret is none.
pub(super) fn sign(id: &str, timestamp: u64, body: &str, secrets: &[Secret]) -> Option<String> {
    let signatures: Option<Vec<String>> = secrets
        .iter()
        .map(|secret| {
            let key = STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()?;
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
            mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        })
        .collect();
    signatures.filter(|all| !all.is_empty()).map(|all| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn it_is_what_openssl_makes_of_it() {
        let body = r#"{"test": 2432232314}"#;
        let signed = |secrets: &[&str]| {
            let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
            sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body, &secrets)
        };
        let old = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(&[OLD]).as_deref(), Some(old));
        let both = signed(&[NEW, OLD]).expect("a signature");
        assert_eq!(
            both,
            format!("v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI= {old}")
        );
        for none in [&[][..], &["sb_secret_x"], &["whsec_?"], &[OLD, ""]] {
            assert_eq!(signed(none), None, "{none:?}");
        }
    }
}
