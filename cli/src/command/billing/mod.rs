//! `creel billing`: for whoever runs the platform, by the database's own URL.

mod events;
mod reconcile;
mod replay;
mod requests;

use creel_core::secret::Secret;
use creel_functions::settings::parse_url;
use creel_functions::stripe::api::{LIVE_URL, StripeApi};
use creel_functions::stripe::settings::api_key;

use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What can be done about money.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BillingCommand {
    /// List Stripe's events, newest first, and what they led to.
    Events(events::EventsArgs),
    /// Have an event applied again: one that waits, or one that never arrived.
    Replay(replay::ReplayArgs),
    /// List what Stripe is asked to do and has not done, or have what failed tried again.
    Requests(requests::RequestsArgs),
    /// Compare the ledger with what Stripe says, and list what differs.
    Reconcile(Box<reconcile::ReconcileArgs>),
}

/// The way to Stripe.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StripeArgs {
    /// A restricted key of Stripe's API (`rk_…`) that may read. Prefer the environment: other users of this machine can
    /// read a process' command line.
    #[arg(long, env = "STRIPE_API_KEY", hide_env_values = true, value_name = "KEY")]
    stripe_api_key: Option<Secret>,

    /// URL of Stripe's API.
    #[arg(long, env = "STRIPE_API_URL", default_value = LIVE_URL, value_parser = parse_url, hide = true)]
    stripe_api_url: String,
}

impl StripeArgs {
    fn api(&self) -> anyhow::Result<StripeApi> {
        let missing = || {
            CliError::new(ErrorKind::Usage, "STRIPE_API_KEY is missing")
                .hint("make a restricted key at Stripe that may read, and set STRIPE_API_KEY to it")
        };
        let key = self.stripe_api_key.as_ref().ok_or_else(missing)?;
        let key = api_key(key).map_err(|error| CliError::new(ErrorKind::Usage, error.to_string()))?;
        Ok(StripeApi::new(&self.stripe_api_url, key, None))
    }
}

/// Runs the command.
pub(super) async fn run(command: BillingCommand, out: Output) -> anyhow::Result<()> {
    match command {
        BillingCommand::Events(args) => events::run(args, out).await,
        BillingCommand::Replay(args) => replay::run(args, out).await,
        BillingCommand::Requests(args) => requests::run(args, out).await,
        BillingCommand::Reconcile(args) => Box::pin(reconcile::run(*args, out)).await,
    }
}
