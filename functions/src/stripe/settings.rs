//! From what a function is told by its environment to what it works with.

use anyhow::{Context, anyhow, ensure};
use creel_core::secret::Secret;

use super::api::StripeApi;
use super::door::Door;
use super::endpoint::Webhooks;
use super::signature::SigningSecrets;
use crate::data_api::DataApi;
use crate::settings::{CheckoutSettings, StripeSettings};

impl TryFrom<&StripeSettings> for Webhooks {
    type Error = anyhow::Error;

    fn try_from(settings: &StripeSettings) -> Result<Self, Self::Error> {
        let url = format!("{}/rest/v1", settings.supabase_url);
        let key = settings.supabase_publishable_key.clone();
        let certificates = settings.ssl_cert_file.clone();
        let api_key = api_key(&settings.stripe_api_key)?;
        let is_live = is_live(&api_key);
        Ok(Self {
            door: Door::new(
                DataApi::new(&url, key, certificates.clone()),
                settings.creel_stripe_key.clone(),
                StripeApi::new(&settings.stripe_api_url, api_key, certificates),
            ),
            platform: signing_secrets(&settings.stripe_webhook_secret).context("STRIPE_WEBHOOK_SECRET")?,
            connect: signing_secrets(&settings.stripe_connect_webhook_secret)
                .context("STRIPE_CONNECT_WEBHOOK_SECRET")?,
            is_live,
        })
    }
}

impl TryFrom<&CheckoutSettings> for Door {
    type Error = anyhow::Error;

    fn try_from(settings: &CheckoutSettings) -> Result<Self, Self::Error> {
        let url = format!("{}/rest/v1", settings.supabase_url);
        let key = settings.supabase_publishable_key.clone();
        let certificates = settings.ssl_cert_file.clone();
        let api_key = api_key(&settings.stripe_api_key)?;
        Ok(Self::new(
            DataApi::new(&url, key, certificates.clone()),
            settings.creel_stripe_key.clone(),
            StripeApi::new(&settings.stripe_api_url, api_key, certificates),
        ))
    }
}

/// The key of the API: one that pages carry, or a secret of a webhook, is none.
pub fn api_key(key: &Secret) -> anyhow::Result<Secret> {
    let text = key.expose().trim();
    ensure!(
        ["rk_", "sk_"].iter().any(|prefix| text.starts_with(prefix)),
        "STRIPE_API_KEY is no key of Stripe's API; make a restricted one at Stripe, it begins with rk_"
    );
    Ok(Secret::new(text))
}

/// Whether a key is of real money: it says so itself.
pub fn is_live(key: &Secret) -> bool {
    ["rk_live_", "sk_live_"]
        .iter()
        .any(|prefix| key.expose().starts_with(prefix))
}

fn signing_secrets(secret: &Secret) -> anyhow::Result<SigningSecrets> {
    secret.expose().parse().map_err(|why: String| anyhow!(why))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const GOOD: [(&str, &str); 6] = [
        ("--supabase-url", "https://abcdefgh.supabase.co"),
        ("--supabase-publishable-key", "sb_publishable_x"),
        ("--stripe-api-key", "rk_test_0192837465"),
        ("--creel-stripe-key", "0192837465"),
        ("--stripe-webhook-secret", "whsec_0192837465aabbccddeeff"),
        (
            "--stripe-connect-webhook-secret",
            "whsec_5f4dcc3b5aa765d61d83,whsec_0192837465aabbccddeeff",
        ),
    ];

    fn made(change: (&str, &str)) -> Result<(), String> {
        let mut words = vec!["stripe"];
        for (name, value) in GOOD {
            words.extend([name, if name == change.0 { change.1 } else { value }]);
        }
        let settings = StripeSettings::try_parse_from(words).map_err(|error| error.to_string())?;
        let shown = format!("{settings:?}");
        assert!(!shown.contains("0192837465"), "{shown}");
        let made = Webhooks::try_from(&settings);
        made.map(|_| ()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_no_key_and_no_secret_is_named_and_not_shown() {
        assert_eq!(made(("", "")), Ok(()));
        for (name, value, said) in [
            ("--stripe-api-key", "pk_test_0192837465", "STRIPE_API_KEY"),
            (
                "--stripe-webhook-secret",
                "0192837465aabbccddeeff",
                "STRIPE_WEBHOOK_SECRET",
            ),
            (
                "--stripe-connect-webhook-secret",
                "whsec_",
                "STRIPE_CONNECT_WEBHOOK_SECRET",
            ),
        ] {
            let error = made((name, value)).expect_err(name);
            assert!(error.contains(said) && !error.contains("0192837465"), "{error}");
        }
        let elsewhere = ["stripe", "--stripe-api-url", "http://stripe.example"];
        assert!(StripeSettings::try_parse_from(elsewhere).is_err());
    }
}
