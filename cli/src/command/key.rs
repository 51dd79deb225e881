//! `creel key`: for whoever runs the platform, by the database's own URL.

use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use creel_core::status::FunctionKeyKind;
use creel_functions::function_key::variable;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::command::project::text;
use crate::command::request::age;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// Bytes of a key: more than anybody can try.
const KEY_BYTES: usize = 32;

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. It is shown this once, and is for the function alone: CREEL_STRIPE_KEY or CREEL_NOTIFIER_KEY.
    Create {
        /// What it opens: what Stripe's events are told to (the functions stripe and checkout), or what webhooks are to be
        /// told (the function notifications).
        #[arg(value_parser = functions())]
        opens: FunctionKeyKind,
        /// What it is called.
        #[arg(long, default_value = "")]
        label: String,
        /// It is good for so many days [default: until it is revoked].
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(1..=3650))]
        days: Option<i32>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List them, never the keys themselves.
    List {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// End one at once.
    Revoke {
        /// Its id.
        id: Uuid,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Runs the command.
pub(super) async fn run(command: KeyCommand, out: Output) -> anyhow::Result<()> {
    match command {
        KeyCommand::Create {
            opens,
            label,
            days,
            database,
        } => create(&database, opens, &label, days, out).await,
        KeyCommand::List { database } => list(&database, out).await,
        KeyCommand::Revoke { id, database } => revoke(&database, id, out).await,
    }
}

/// The functions that have keys, by name.
fn functions() -> impl TypedValueParser<Value = FunctionKeyKind> {
    let names = FunctionKeyKind::ALL.iter().map(|kind| kind.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<FunctionKeyKind>())
}

/// By its beginning people, and programs that look for lost secrets, see what a key is.
fn prefix(opens: FunctionKeyKind) -> &'static str {
    match opens {
        FunctionKeyKind::Stripe => "creel_stripe_",
        FunctionKeyKind::Notifications => "creel_notifier_",
    }
}

/// To whom a key is given.
fn holders(opens: FunctionKeyKind) -> &'static str {
    match opens {
        FunctionKeyKind::Stripe => "the functions stripe and checkout",
        FunctionKeyKind::Notifications => "the function notifications",
    }
}

async fn create(
    database: &DatabaseArgs,
    opens: FunctionKeyKind,
    label: &str,
    days: Option<i32>,
    out: Output,
) -> anyhow::Result<()> {
    let random = hex::encode(rand::random::<[u8; KEY_BYTES]>());
    let key = format!("{}{random}", prefix(opens));
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    let client = database.connect().await?;
    let row = client
        .query_one(
            "select creel.add_function_key($1, $2, $3, $4)",
            &[&opens.as_str(), &hash, &label, &days],
        )
        .await
        .context("make the key")?;
    let id: Uuid = row.get(0);
    out.value(&json!({ "ok": true, "id": id, "opens": opens, "label": label, "days": days, "key": key }));
    out.line(key);
    out.line(format!(
        "This is shown once. Give it to {} as {}; to end it: creel key revoke {id}",
        holders(opens),
        variable(opens)
    ));
    Ok(())
}

async fn list(database: &DatabaseArgs, out: Output) -> anyhow::Result<()> {
    let client = database.connect().await?;
    let sql = include_str!("../../../sql/queries/list_function_keys.sql");
    let rows = client.query(sql, &[]).await.context("list the keys")?;
    let keys: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    let cells = keys
        .iter()
        .map(|key| {
            vec![
                text(key, "opens"),
                text(key, "label"),
                text(key, "state"),
                age(&key["created_at"]),
                text(key, "expires_at"),
                text(key, "id"),
            ]
        })
        .collect();
    let headers = ["OPENS", "LABEL", "STATE", "MADE", "EXPIRES", "ID"];
    let empty = "There is no key; creel key create makes one";
    out.rows("keys", &json!(keys), &headers, cells, empty);
    Ok(())
}

async fn revoke(database: &DatabaseArgs, id: Uuid, out: Output) -> anyhow::Result<()> {
    let client = database.connect().await?;
    let row = client
        .query_one("select creel.revoke_function_key($1)", &[&id])
        .await
        .context("revoke the key")?;
    if !row.get::<_, bool>(0) {
        let message = format!("there is no key {} that is good", printable(&id.to_string()));
        return Err(CliError::new(ErrorKind::NotFound, message)
            .hint("creel key list shows them")
            .into());
    }
    out.value(&json!({ "ok": true, "id": id }));
    out.line(format!("Key {id} has ended."));
    Ok(())
}
