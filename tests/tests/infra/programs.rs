//! What the programs are: one in functions/src/bin for each function, with settings that clap knows.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser;
use creel_functions::secrets::HoldsSecrets;
use creel_functions::settings::{CheckoutSettings, NotifierSettings, Settings, StripeSettings};
use creel_tests::cluster::repo;

/// What nobody deploys: for tests, for a Supabase of one's own, and what AWS Lambda sets itself.
const NOT_DEPLOYED: [&str; 3] = ["SSL_CERT_FILE", "STRIPE_API_URL", "AWS_LAMBDA_RUNTIME_API"];

/// What a program reads.
#[derive(Debug)]
pub struct Program {
    /// The variables that are deployed.
    pub variables: BTreeSet<String>,
    /// All but what AWS Lambda sets.
    pub documented: BTreeSet<String>,
    /// Those of them that are secrets.
    pub secrets: BTreeSet<String>,
}

/// The functions, by name.
pub fn programs() -> BTreeMap<String, Program> {
    let found = std::fs::read_dir(repo().join("functions/src/bin")).expect("list the programs");
    let found = found.map(|entry| {
        let path = entry.expect("list the programs").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let program = match name.as_str() {
            "agents" | "hosts" => without_secrets::<Settings>(),
            "notifications" => with_secrets::<NotifierSettings>(),
            "stripe" => with_secrets::<StripeSettings>(),
            "checkout" => with_secrets::<CheckoutSettings>(),
            other => panic!("{other} is new: say here which settings it has, and deploy it by infra/"),
        };
        (name, program)
    });
    found.collect()
}

fn without_secrets<S: Parser>() -> Program {
    let command = S::command();
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    let variables: BTreeSet<String> = variables
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    Program {
        documented: without(&variables, &["AWS_LAMBDA_RUNTIME_API"]),
        variables: without(&variables, &NOT_DEPLOYED),
        secrets: BTreeSet::new(),
    }
}

fn with_secrets<S: Parser + HoldsSecrets>() -> Program {
    let command = S::command();
    let needed = command.get_arguments().filter(|arg| arg.is_required_set());
    let words = needed.flat_map(|arg| {
        let name = arg.get_long().expect("each is an option too");
        [format!("--{name}"), "https://abcdefgh.supabase.co".to_owned()]
    });
    let mut settings = S::parse_from(std::iter::once("function".to_owned()).chain(words));
    let secrets = settings.secrets().into_iter().map(|(name, _)| name.to_owned());
    Program {
        secrets: secrets.collect(),
        ..without_secrets::<S>()
    }
}

fn without(names: &BTreeSet<String>, others: &[&str]) -> BTreeSet<String> {
    let kept = names.iter().filter(|name| !others.contains(&name.as_str()));
    kept.cloned().collect()
}
