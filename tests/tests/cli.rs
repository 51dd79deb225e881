//! What the command line promises, on a real Data API.
//!
//! The API runs in these tests' own runtime, which has more than one thread, because they wait for the command.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use creel_core::secret::Secret;
use creel_tests::cluster;
use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};
use tempfile::TempDir;

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A person at a terminal: a home folder of her own, and a project's URL and key in the environment.
struct Person {
    home: TempDir,
    url: String,
    key: String,
}

impl Person {
    fn at(rest: &Rest) -> Result<Self> {
        Ok(Self {
            home: tempfile::tempdir()?,
            url: rest.url(),
            key: rest.publishable_key().to_owned(),
        })
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(cluster::built_program("creel")?);
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"));
        command
            .env("SUPABASE_URL", &self.url)
            .env("SUPABASE_PUBLISHABLE_KEY", &self.key);
        command
            .current_dir(self.home.path())
            .args(args)
            .stdin(Stdio::null());
        Ok(command)
    }

    fn types(&self, args: &[&str]) -> Result<Output> {
        self.command(args)?.output().context("run creel")
    }

    /// Runs a command with `--json`, and answers with its exit code and its one value.
    fn asks(&self, args: &[&str]) -> Result<(i32, Value)> {
        let output = self.types(&[args, &["--json"]].concat())?;
        let text = String::from_utf8(output.stdout)?;
        let value = serde_json::from_str(&text).with_context(|| {
            format!(
                "{args:?} printed {text:?} and {}",
                String::from_utf8_lossy(&output.stderr)
            )
        })?;
        Ok((output.status.code().context("it was killed")?, value))
    }

    /// Runs a command that must work.
    fn gets(&self, args: &[&str]) -> Result<Value> {
        let (code, value) = self.asks(args)?;
        ensure!(code == 0, "{args:?} ended with {code}: {value}");
        Ok(value)
    }

    fn signs_in(&self) -> Result<()> {
        let mut child = self.command(&["login", "--email", EMAIL, "--json"])?;
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        writeln!(child.stdin.take().context("no standard input")?, "{PASSWORD}")?;
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "signing in failed: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(())
    }
}

/// A Data API on a database of its own, with somebody who can sign in.
async fn project_api() -> Result<(TestDb, Rest)> {
    let db = TestDb::new().await?;
    let rest = db.rest().await?;
    rest.users().save(EMAIL, &Secret::new(PASSWORD)).await?;
    Ok((db, rest))
}

fn mode_of(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_makes_a_project_and_asks_for_an_agent() -> Result<()> {
    let (db, rest) = project_api().await?;
    rest.users()
        .save("bob@example.com", &Secret::new("another password"))
        .await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ensure!(mode_of(&ann.home.path().join("state/creel/sessions.json"))? == 0o600);

    ann.gets(&["project", "create", "acme", "--name", "Acme"])?;
    let projects = ann.gets(&["project", "list"])?;
    ensure!(
        projects[0]["id"] == "acme" && projects[0]["role"] == "owner",
        "{projects}"
    );

    ann.gets(&["project", "members", "add", "bob@example.com", "--role", "editor"])?;
    let members = ann.gets(&["project", "members", "--project", "acme"])?;
    ensure!(members.as_array().map(Vec::len) == Some(2), "{members}");
    ann.gets(&["project", "members", "remove", "bob@example.com"])?;

    let asked = ann.gets(&["agent", "create", "scout", "--name", "Scout", "--emoji", "🦉"])?;
    let id = asked["request_id"].as_str().context("no request id")?;
    let agents = ann.gets(&["agent", "list"])?;
    ensure!(
        agents[0]["agent_key"] == "agent:scout:main" && agents[0]["emoji"] == "🦉",
        "{agents}"
    );
    let status = ann.gets(&["agent", "status", "scout"])?;
    ensure!(status["newest_request"]["id"] == id, "{status}");
    let requests = ann.gets(&["request", "list", "--status", "queued"])?;
    ensure!(requests[0]["id"] == id, "{requests}");
    let why = ann.gets(&["request", "why", id])?;
    ensure!(why["status"] == "queued" && !why["why"].is_null(), "{why}");

    let written = "select display_name, agent_id_short from public.agent_provision_requests";
    let row = db.postgres().await?.query_one(written, &[]).await?;
    ensure!(row.get::<_, &str>(0) == "Scout" && row.get::<_, &str>(1) == "scout");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do_and_have_their_exit_codes() -> Result<()> {
    let (_db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;

    let (code, value) = ann.asks(&["agent", "list"])?;
    ensure!(
        code == 3 && value["ok"] == json!(false),
        "not signed in: {code} {value}"
    );
    ensure!(
        value["error"]["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("creel login")),
        "{value}"
    );

    ann.signs_in()?;
    let (code, value) = ann.asks(&["agent", "create", "../x"])?;
    ensure!(
        code == 2 && value["error"]["code"] == "agent_id",
        "{code} {value}"
    );
    let (code, value) = ann.asks(&["request", "why", "00000000-0000-0000-0000-000000000000"])?;
    ensure!(code == 4, "an unknown request: {code} {value}");
    let (code, value) = ann.asks(&["agent", "list", "--colour"])?;
    ensure!(code == 2 && value["error"]["code"] == "usage", "{code} {value}");

    // What a person cannot read does not exist for her.
    let (code, value) = ann.asks(&["agent", "create", "scout", "--project", "nobodys"])?;
    ensure!(code == 3, "somebody else's project: {code} {value}");

    let gone = Person {
        home: tempfile::tempdir()?,
        url: "http://127.0.0.1:9".to_owned(),
        key: "k".to_owned(),
    };
    let mut login = gone.command(&["login", "--email", EMAIL])?;
    let output = login.env("CREEL_PASSWORD", PASSWORD).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(5), "an unreachable project: {said}");
    ensure!(
        said.starts_with("error: ") && said.contains("\nhint: ") && !said.contains(PASSWORD),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolled_host_is_a_host_and_only_its_file_knows_the_password() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;

    let enrol = |args: &[&str]| -> Result<(i32, Value)> {
        let mut command = ann.command(&[&["host", "enroll", "--json"], args].concat())?;
        let output = command.env("DATABASE_URL", db.postgres_url()).output()?;
        Ok((
            output.status.code().unwrap_or(-1),
            serde_json::from_slice(&output.stdout)?,
        ))
    };
    let (code, value) = enrol(&["--project", "acme", "--name", "mac-mini", "--out", "worker.toml"])?;
    ensure!(code == 0 && value["database_url"].is_null(), "{code} {value}");
    let file = ann.home.path().join("worker.toml");
    ensure!(mode_of(&file)? == 0o600);
    let text = std::fs::read_to_string(&file)?;
    let url = text.split('"').nth(1).context("no URL in the file")?;

    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let claim = json!({ "api": 1, "session": uuid::Uuid::new_v4(), "limit": 1, "woken_by": "poll" });
    client
        .query_one("select public.claim($1)", &[&claim])
        .await
        .context("claim as the host")?;

    let hosts = ann.gets(&["host", "list"])?;
    ensure!(
        hosts[0]["name"] == "mac-mini" && hosts[0]["projects"][0]["project_id"] == "acme",
        "{hosts}"
    );

    let (code, value) = enrol(&["--project", "acme", "--out", "worker.toml"])?;
    ensure!(code == 1, "an existing file is not written over: {code} {value}");
    let (code, value) = enrol(&["--project", "nobodys"])?;
    ensure!(code == 4, "a project that is not there: {code} {value}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_host_can_do_nothing_more() -> Result<()> {
    let db = TestDb::new().await?;
    let rest = db.rest().await?;
    let ann = Person::at(&rest)?;
    let owner = db.user(EMAIL).await?;
    let project = db.project(&owner).await?;
    let host = db.host(&[&project]).await?;
    let client = db.connect_as(&host.role, &host.password).await?;

    let mut revoke = ann.command(&["host", "revoke", &host.id.to_string()])?;
    let output = revoke.env("DATABASE_URL", db.postgres_url()).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let claim = json!({ "api": 1, "session": uuid::Uuid::new_v4(), "limit": 1, "woken_by": "poll" });
    ensure!(
        client
            .query_one("select public.claim($1)", &[&claim])
            .await
            .is_err()
    );
    ensure!(db.connect_as(&host.role, &host.password).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_what_is_broken_and_fails() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    let mut doctor = ann.command(&["doctor", "--openclaw", "/nowhere/openclaw"])?;
    let output = doctor.env("DATABASE_URL", db.postgres_url()).output()?;
    let (table, said) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    ensure!(output.status.code() == Some(7), "{table}{said}");
    ensure!(
        table.contains("/nowhere/openclaw") && said.contains("openclaw"),
        "{table}{said}"
    );
    ensure!(table.contains("Postgres"), "the database is there: {table}");
    Ok(())
}

#[test]
fn completions_are_made_for_every_shell() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(cluster::built_program("creel")?)
            .args(["completions", shell])
            .output()?;
        ensure!(String::from_utf8(output.stdout)?.contains("creel"), "{shell}");
    }
    Ok(())
}
