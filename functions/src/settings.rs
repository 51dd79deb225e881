//! What a function is told by its environment.

use creel_core::secret::Secret;

use crate::origins::Origins;
use crate::secrets::HoldsSecrets;

/// The settings of every function on AWS Lambda.
#[derive(Debug, Clone, clap::Parser)]
#[command(about = "A function of Creel, for AWS Lambda", disable_help_subcommand = true)]
pub struct Settings {
    /// URL of the Supabase project, such as <https://abcdefgh.supabase.co>.
    #[arg(long, env = "SUPABASE_URL", value_parser = parse_url)]
    pub supabase_url: String,
    /// The project's publishable key. The secret key is never needed.
    #[arg(long, env = "SUPABASE_PUBLISHABLE_KEY", hide_env_values = true)]
    pub supabase_publishable_key: Secret,
    /// Origins of the pages that may read the answers, separated by commas, such as <https://app.example.com>.
    #[arg(long, env = "CREEL_ALLOWED_ORIGINS", default_value = "")]
    pub allowed_origins: Origins,
    /// A file with the certificates of authorities to trust, instead of those that browsers trust.
    #[arg(long, env = "SSL_CERT_FILE")]
    pub ssl_cert_file: Option<std::path::PathBuf>,
}

/// The settings of the function `notifications`.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "Tells webhooks what Creel has for them: on AWS Lambda at each invocation, elsewhere once",
    disable_help_subcommand = true
)]
pub struct NotifierSettings {
    /// URL of the Supabase project, such as <https://abcdefgh.supabase.co>.
    #[arg(long, env = "SUPABASE_URL", value_parser = parse_url)]
    pub supabase_url: String,
    /// The project's publishable key. The secret key is never needed.
    #[arg(long, env = "SUPABASE_PUBLISHABLE_KEY", hide_env_values = true)]
    pub supabase_publishable_key: Secret,
    /// The key of `creel key create notifications`, or where AWS keeps it.
    #[arg(long, env = "CREEL_NOTIFIER_KEY", hide_env_values = true)]
    pub creel_notifier_key: Secret,
    /// A file with the certificates of authorities to trust, instead of those that browsers trust.
    #[arg(long, env = "SSL_CERT_FILE")]
    pub ssl_cert_file: Option<std::path::PathBuf>,
    /// Is there on AWS Lambda.
    #[arg(long, env = "AWS_LAMBDA_RUNTIME_API", hide = true)]
    pub lambda_runtime: Option<String>,
}

/// The settings of the function `stripe`.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "Takes Stripe's events, and does what is due at Stripe",
    disable_help_subcommand = true
)]
pub struct StripeSettings {
    /// URL of the Supabase project, such as <https://abcdefgh.supabase.co>.
    #[arg(long, env = "SUPABASE_URL", value_parser = parse_url)]
    pub supabase_url: String,
    /// The project's publishable key. The secret key is never needed.
    #[arg(long, env = "SUPABASE_PUBLISHABLE_KEY", hide_env_values = true)]
    pub supabase_publishable_key: Secret,
    /// The key of `creel key create stripe`, or where AWS keeps it.
    #[arg(long, env = "CREEL_STRIPE_KEY", hide_env_values = true)]
    pub creel_stripe_key: Secret,
    /// A restricted key of Stripe's API (`rk_…`), or where AWS keeps it.
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true)]
    pub stripe_api_key: Secret,
    /// The secret (`whsec_…`) of the endpoint for the platform's events, or where AWS keeps it; two while one replaces the
    /// other, separated by a comma.
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    pub stripe_webhook_secret: Secret,
    /// The same of the endpoint for connected accounts' events.
    #[arg(long, env = "STRIPE_CONNECT_WEBHOOK_SECRET", hide_env_values = true)]
    pub stripe_connect_webhook_secret: Secret,
    /// URL of Stripe's API.
    #[arg(long, env = "STRIPE_API_URL", default_value = STRIPE_API_URL, value_parser = parse_url)]
    pub stripe_api_url: String,
    /// A file with the certificates of authorities to trust, instead of those that browsers trust.
    #[arg(long, env = "SSL_CERT_FILE")]
    pub ssl_cert_file: Option<std::path::PathBuf>,
}

/// The settings of the function `checkout`.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    about = "Makes Stripe's pages for people who pay and hosts who earn",
    disable_help_subcommand = true
)]
pub struct CheckoutSettings {
    /// URL of the Supabase project, such as <https://abcdefgh.supabase.co>.
    #[arg(long, env = "SUPABASE_URL", value_parser = parse_url)]
    pub supabase_url: String,
    /// The project's publishable key. The secret key is never needed.
    #[arg(long, env = "SUPABASE_PUBLISHABLE_KEY", hide_env_values = true)]
    pub supabase_publishable_key: Secret,
    /// Origins of the pages that may read the answers and that people come back to, separated by commas.
    #[arg(long, env = "CREEL_ALLOWED_ORIGINS", default_value = "")]
    pub allowed_origins: Origins,
    /// The key of `creel key create stripe`, or where AWS keeps it.
    #[arg(long, env = "CREEL_STRIPE_KEY", hide_env_values = true)]
    pub creel_stripe_key: Secret,
    /// A restricted key of Stripe's API (`rk_…`), or where AWS keeps it.
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true)]
    pub stripe_api_key: Secret,
    /// URL of Stripe's API.
    #[arg(long, env = "STRIPE_API_URL", default_value = STRIPE_API_URL, value_parser = parse_url)]
    pub stripe_api_url: String,
    /// A file with the certificates of authorities to trust, instead of those that browsers trust.
    #[arg(long, env = "SSL_CERT_FILE")]
    pub ssl_cert_file: Option<std::path::PathBuf>,
}

/// Stripe's own; another one is for tests.
const STRIPE_API_URL: &str = "https://api.stripe.com";

impl HoldsSecrets for Settings {
    fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        Vec::new()
    }

    fn publishable_key(&self) -> &Secret {
        &self.supabase_publishable_key
    }
}

impl HoldsSecrets for NotifierSettings {
    fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        vec![("CREEL_NOTIFIER_KEY", &mut self.creel_notifier_key)]
    }

    fn publishable_key(&self) -> &Secret {
        &self.supabase_publishable_key
    }
}

impl HoldsSecrets for StripeSettings {
    fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        vec![
            ("CREEL_STRIPE_KEY", &mut self.creel_stripe_key),
            ("STRIPE_API_KEY", &mut self.stripe_api_key),
            ("STRIPE_WEBHOOK_SECRET", &mut self.stripe_webhook_secret),
            (
                "STRIPE_CONNECT_WEBHOOK_SECRET",
                &mut self.stripe_connect_webhook_secret,
            ),
        ]
    }

    fn publishable_key(&self) -> &Secret {
        &self.supabase_publishable_key
    }
}

impl HoldsSecrets for CheckoutSettings {
    fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        vec![
            ("CREEL_STRIPE_KEY", &mut self.creel_stripe_key),
            ("STRIPE_API_KEY", &mut self.stripe_api_key),
        ]
    }

    fn publishable_key(&self) -> &Secret {
        &self.supabase_publishable_key
    }
}

/// A token goes over the network encrypted, or not at all.
pub fn parse_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text.trim()).map_err(|_| "it is no URL".to_owned())?;
    let host = url.host_str().unwrap_or_default();
    let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        _ => return Err("write https://; http:// is for this machine only".to_owned()),
    }
    Ok(text.trim().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_the_network_encrypted() {
        let parsed = parse_url(" https://abcdefgh.supabase.co/ ");
        assert_eq!(parsed.as_deref(), Ok("https://abcdefgh.supabase.co"));
        assert!(parse_url("http://127.0.0.1:54321").is_ok());
        for wrong in [
            "http://abcdefgh.supabase.co",
            "abcdefgh.supabase.co",
            "ftp://x",
            "",
        ] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
