//! `creel billing key`.

use anyhow::Context;
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

/// By its beginning people, and programs that look for lost secrets, see what it is.
const PREFIX: &str = "creel_stripe_";

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key. It is shown this once, and is for the function alone: CREEL_STRIPE_KEY.
    Create {
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
            label,
            days,
            database,
        } => create(&database, &label, days, out).await,
        KeyCommand::List { database } => list(&database, out).await,
        KeyCommand::Revoke { id, database } => revoke(&database, id, out).await,
    }
}

async fn create(database: &DatabaseArgs, label: &str, days: Option<i32>, out: Output) -> anyhow::Result<()> {
    let key = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; KEY_BYTES]>()));
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    let client = database.connect().await?;
    let row = client
        .query_one("select creel.add_stripe_key($1, $2, $3)", &[&hash, &label, &days])
        .await
        .context("make the key")?;
    let id: Uuid = row.get(0);
    out.value(&json!({ "ok": true, "id": id, "label": label, "days": days, "key": key }));
    out.line(key);
    out.line(format!(
        "This is shown once. Give it to the functions stripe and checkout as CREEL_STRIPE_KEY; to end it: creel billing \
         key revoke {id}"
    ));
    Ok(())
}

async fn list(database: &DatabaseArgs, out: Output) -> anyhow::Result<()> {
    let client = database.connect().await?;
    let sql = include_str!("../../../../sql/queries/list_stripe_keys.sql");
    let rows = client.query(sql, &[]).await.context("list the keys")?;
    let keys: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    let cells = keys
        .iter()
        .map(|key| {
            vec![
                text(key, "label"),
                text(key, "state"),
                age(&key["created_at"]),
                text(key, "expires_at"),
                text(key, "id"),
            ]
        })
        .collect();
    let headers = ["LABEL", "STATE", "MADE", "EXPIRES", "ID"];
    let empty = "There is no key. Make one: creel billing key create";
    out.rows("keys", &json!(keys), &headers, cells, empty);
    Ok(())
}

async fn revoke(database: &DatabaseArgs, id: Uuid, out: Output) -> anyhow::Result<()> {
    let client = database.connect().await?;
    let row = client
        .query_one("select creel.revoke_stripe_key($1)", &[&id])
        .await
        .context("revoke the key")?;
    if !row.get::<_, bool>(0) {
        let message = format!("there is no key {} that is good", printable(&id.to_string()));
        return Err(CliError::new(ErrorKind::NotFound, message)
            .hint("creel billing key list shows them")
            .into());
    }
    out.value(&json!({ "ok": true, "id": id }));
    out.line(format!("Key {id} has ended."));
    Ok(())
}
