//! What a function is told by its environment.

use creel_core::secret::Secret;

use crate::origins::Origins;

/// The settings of every function on AWS Lambda.
#[derive(Debug, Clone, clap::Parser)]
#[command(about = "A function of Creel, for AWS Lambda", disable_help_subcommand = true)]
pub struct Settings {
    /// URL of the Supabase project, such as <https://abcdefgh.supabase.co>.
    #[arg(long, env = "SUPABASE_URL")]
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
