//! Secrets that are not in the environment: a setting may say where its secret is kept instead of what it is.
//!
//! `whsec_…` is the secret itself; `/creel/stripe-api-key` names a parameter of AWS Systems Manager, and an ARN a
//! parameter or a secret of AWS Secrets Manager. What is named is read once, while the function starts: before its first
//! request, and as the role that it runs as.
//!
//! AWS has an extension (a layer) that reads them too. It answers only when the whole start is over, so that nothing could
//! be read in it; its ARN is another one in each region; and it is one more process beside a function whose own size
//! counts. AWS's SDK is as large as the rest of a function. So these are two requests, signed by the SDK's own signer.

mod reference;
mod store;

use anyhow::{Context, bail, ensure};
use creel_core::project_key::is_secret_key;
use creel_core::secret::Secret;
use creel_core::status::FunctionKeyKind;

use self::reference::Reference;
pub use self::store::Store;
use crate::function_key;

/// The variable of what is no secret.
const PUBLISHABLE_KEY: &str = "SUPABASE_PUBLISHABLE_KEY";

/// Settings of which some are secrets.
pub trait HoldsSecrets {
    /// Each secret that there is, with the name of its variable.
    fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)>;

    /// The key that pages of the project carry too.
    fn publishable_key(&self) -> &Secret;
}

/// The settings of this process, with the secrets that they only name.
pub async fn load<S: clap::Parser + HoldsSecrets>() -> anyhow::Result<S> {
    let mut settings = S::parse();
    read(&mut settings, Store::of_environment).await.inspect_err(
        |error| tracing::error!(error = %format_args!("{error:#}"), "failed to read the settings"),
    )?;
    Ok(settings)
}

/// Puts the secrets in the place of their names. The store is opened only if something is kept there.
pub async fn read(
    settings: &mut impl HoldsSecrets,
    open: impl FnOnce() -> anyhow::Result<Store>,
) -> anyhow::Result<()> {
    refuse_secret_key(PUBLISHABLE_KEY, settings.publishable_key().expose())?;
    let mut named = Vec::new();
    for (variable, secret) in settings.secrets() {
        match Reference::parse(secret.expose()).with_context(|| format!("read {variable}"))? {
            Some(reference) => named.push((variable, reference, secret)),
            None => set(variable, secret, None)?,
        }
    }
    if named.is_empty() {
        return Ok(());
    }
    let references: Vec<&Reference> = named.iter().map(|(_, reference, _)| reference).collect();
    let found = open()?.read(&references).await?;
    for ((variable, _, secret), found) in named.into_iter().zip(found) {
        set(variable, secret, Some(found))?;
    }
    Ok(())
}

/// Without the line's end that came with it out of a file; and there is one, as an empty secret is everybody's.
fn set(variable: &str, secret: &mut Secret, found: Option<Secret>) -> anyhow::Result<()> {
    let given = found.as_ref().unwrap_or(secret).expose().trim().to_owned();
    if given.is_empty() {
        bail!("{variable} is empty; set it to the secret, or to the name or ARN under which AWS keeps it");
    }
    refuse_secret_key(variable, &given)?;
    *secret = Secret::new(given);
    Ok(())
}

/// What opens the whole project is not used where less is meant, nor sent.
fn refuse_secret_key(variable: &str, given: &str) -> anyhow::Result<()> {
    let of_function = FunctionKeyKind::ALL
        .iter()
        .find(|opens| function_key::variable(**opens) == variable);
    let instead = match of_function {
        Some(opens) => format!("make one with creel key create {opens}"),
        None if variable == PUBLISHABLE_KEY => "give the publishable one, sb_publishable_…".to_owned(),
        None => "give what the variable is for".to_owned(),
    };
    ensure!(
        !is_secret_key(given),
        "{variable}: this is the project's secret key, which no part of Creel needs; {instead}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two(Secret, Secret);

    /// With a publishable key.
    struct Keys(&'static str, Secret, Secret);

    impl HoldsSecrets for Keys {
        fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
            vec![(self.0, &mut self.2)]
        }

        fn publishable_key(&self) -> &Secret {
            &self.1
        }
    }

    impl HoldsSecrets for Two {
        fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
            vec![("FIRST", &mut self.0), ("SECOND", &mut self.1)]
        }

        fn publishable_key(&self) -> &Secret {
            &self.0
        }
    }

    #[tokio::test]
    async fn what_is_given_as_it_is_needs_no_store() {
        let mut settings = Two(Secret::new("whsec_a,whsec_b\n"), Secret::new(" rk_live_c "));
        let read = read(&mut settings, || bail!("nothing is kept there")).await;
        read.expect("there is nothing to read");
        assert_eq!(settings.0.expose(), "whsec_a,whsec_b");
        assert_eq!(settings.1.expose(), "rk_live_c");
    }

    #[tokio::test]
    async fn the_projects_secret_key_is_refused_as_any_key_without_being_shown() {
        // {"role":"service_role"}
        let token = "e30.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln";
        for secret_key in ["sb_secret_hunter2", " sb_secret_hunter2\n", token] {
            for (variable, publishable, key, hint) in [
                (
                    "CREEL_NOTIFIER_KEY",
                    "p",
                    secret_key,
                    "creel key create notifications",
                ),
                ("CREEL_STRIPE_KEY", "p", secret_key, "creel key create stripe"),
                ("STRIPE_API_KEY", "p", secret_key, "what the variable is for"),
                ("SUPABASE_PUBLISHABLE_KEY", secret_key, "k", "sb_publishable_"),
            ] {
                let mut keys = Keys(variable, Secret::new(publishable), Secret::new(key));
                let refused = read(&mut keys, || bail!("nothing is kept there")).await;
                let said = format!("{:#}", refused.expect_err(variable));
                assert!(
                    said.contains("no part of Creel needs") && said.contains(hint),
                    "{said}"
                );
                assert!(
                    said.starts_with(variable) && !said.contains(secret_key.trim()),
                    "{said}"
                );
            }
        }
    }

    #[tokio::test]
    async fn an_empty_secret_is_none() {
        for empty in ["", " ", "\n"] {
            let mut settings = Two(Secret::new("whsec_a"), Secret::new(empty));
            let error = read(&mut settings, || bail!("nothing is kept there")).await;
            let error = format!("{:#}", error.expect_err("it is empty"));
            assert!(error.starts_with("SECOND is empty"), "{error}");
        }
    }
}
