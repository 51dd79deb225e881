//! Sign-in as supabase-js does it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use creel_core::secret::Secret;
use creel_tests::cluster::{repo, tools};
use creel_tests::db::{TestDb, User};
use serde_json::{Value, json};

#[tokio::test]
async fn supabase_js_signs_in_refreshes_and_signs_out() -> Result<()> {
    let db = TestDb::new().await?;
    let rest = db.rest().await?;
    let password = Secret::new("correct horse");
    let saved = rest.users().save("Owner@Example.com", &password).await?;
    let again = rest.users().save("owner@example.com", &password).await?;
    assert_eq!(saved, again, "one person an email");
    let owner = User {
        id: saved.id,
        email: saved.email,
        jwt: String::new(),
    };
    let project = db.project(&owner).await?;

    let js = repo().join("tests/js");
    ensure!(
        js.join("node_modules").is_dir(),
        "supabase-js is missing; run: npm install --prefix tests/js"
    );
    let mut command = Command::new(tools().node().await?);
    command
        .arg(js.join("sign_in.mjs"))
        .env("SUPABASE_URL", rest.url())
        .env("SUPABASE_PUBLISHABLE_KEY", rest.publishable_key())
        .env("EMAIL", "owner@example.com")
        .env("PASSWORD", password.expose());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .context("run node")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let expected = json!({
        "wrong": "invalid_credentials",
        "before": 401,
        "signed_in": owner.id,
        "user": "owner@example.com",
        "during": [{ "id": project }],
        "refreshed": true,
        "again": [{ "id": project }],
        "signed_out": null,
        "after": "refresh_token_not_found",
    });
    assert_eq!(said, expected);
    Ok(())
}
