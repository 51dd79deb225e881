//! What a function is told by its environment.

use creel_core::secret::Secret;

use crate::origins::Origins;

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
    /// A secret key of the project (`sb_secret_…`), best one that nothing else uses.
    #[arg(long, env = "SUPABASE_SECRET_KEY", hide_env_values = true)]
    pub supabase_secret_key: Secret,
    /// A file with the certificates of authorities to trust, instead of those that browsers trust.
    #[arg(long, env = "SSL_CERT_FILE")]
    pub ssl_cert_file: Option<std::path::PathBuf>,
    /// Is there on AWS Lambda.
    #[arg(long, env = "AWS_LAMBDA_RUNTIME_API", hide = true)]
    pub lambda_runtime: Option<String>,
}

/// A token goes over the network encrypted, or not at all.
fn parse_url(text: &str) -> Result<String, String> {
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
