//! Which Stripe the local stack speaks to: the test mode of an account, or a stand-in on this machine.

use creel_core::secret::Secret;
use creel_local::billing::StripeConfig;

/// Stripe's own; another one is for a stand-in on this machine.
const STRIPE_API_URL: &str = "https://api.stripe.com";

/// The settings that the functions `stripe` and `checkout` have elsewhere.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Stripe")]
pub(super) struct StripeArgs {
    /// Serve /functions/v1/stripe and /functions/v1/checkout with this key of Stripe's API (`rk_test_…`).
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true, value_name = "KEY")]
    #[arg(requires = "stripe_webhook_secret")]
    stripe_api_key: Option<Secret>,

    /// Signing secret of events, as `stripe listen --forward-to …/functions/v1/stripe/events` prints it.
    #[arg(
        long,
        env = "STRIPE_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    stripe_webhook_secret: Option<Secret>,

    /// Signing secret of events of connected accounts [default: the same].
    #[arg(
        long,
        env = "STRIPE_CONNECT_WEBHOOK_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    stripe_connect_webhook_secret: Option<Secret>,

    /// Where Stripe's API is.
    #[arg(long, env = "STRIPE_API_URL", default_value = STRIPE_API_URL, value_name = "URL", hide = true)]
    stripe_api_url: String,
}

impl StripeArgs {
    /// What the stack is to be told; none where Stripe is not asked for.
    pub(super) fn config(&self) -> Option<StripeConfig> {
        let (api_key, secret) = self
            .stripe_api_key
            .as_ref()
            .zip(self.stripe_webhook_secret.as_ref())?;
        let connect = self.stripe_connect_webhook_secret.as_ref().unwrap_or(secret);
        Some(StripeConfig {
            api_url: self.stripe_api_url.clone(),
            api_key: api_key.clone(),
            pages_api_key: None,
            webhook_secret: secret.clone(),
            connect_webhook_secret: connect.clone(),
        })
    }
}
