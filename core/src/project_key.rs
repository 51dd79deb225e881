//! The keys of a Supabase project, as far as one sees what they are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The project's secret keys begin so.
const SECRET_KEY_PREFIX: &str = "sb_secret_";

/// The role of a key of the older kind that pages carry.
const PAGES_ROLE: &str = "anon";

/// Whether a text opens more of a project than the key that its pages carry: a secret key, or one of the older kind, which
/// is a token that names its role.
pub fn is_secret_key(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(SECRET_KEY_PREFIX) || role_of_token(text).is_some_and(|role| role != PAGES_ROLE)
}

fn role_of_token(text: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims["role"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_more_than_pages_may_is_seen() {
        let token = |role: &str| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"role":"{role}"}}"#));
            format!("e30.{claims}.c2ln")
        };
        for key in ["sb_secret_x", " sb_secret_x\n", &token("service_role")] {
            assert!(is_secret_key(key), "{key}");
        }
        for key in [
            "sb_publishable_x",
            &token("anon"),
            "creel_notifier_0192",
            "whsec_x",
            "a.b.c",
            "",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
