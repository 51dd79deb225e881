//! What the command line promises, on a real Data API.
//!
//! The API runs in these tests' own runtime, which has more than one thread, because they wait for the command.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use creel_core::secret::Secret;
use creel_tests::cluster;
use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use creel_tests::wait::eventually;
use creel_tests::worker::{WorkerHome, WorkerSetup};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "cli/billing.rs"]
mod billing;
#[path = "cli/docs.rs"]
mod docs;

const EMAIL: &str = "ann@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A program starts, or ends, on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A person at a terminal: a home folder of her own, and a project's URL and key in the environment.
struct Person {
    home: TempDir,
    email: String,
    url: String,
    key: String,
    /// What `HTTP_PROXY` and its like say.
    proxy: Option<&'static str>,
}

impl Person {
    fn at(rest: &Rest) -> Result<Self> {
        Ok(Self {
            home: tempfile::tempdir()?,
            email: EMAIL.to_owned(),
            url: rest.url(),
            key: rest.publishable_key().to_owned(),
            proxy: None,
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
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            command.envs(self.proxy.map(|proxy| (name, proxy)));
        }
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
        let mut child = self.command(&["login", "--email", &self.email, "--json"])?;
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
        projects["ok"] == json!(true)
            && projects["projects"][0]["id"] == "acme"
            && projects["projects"][0]["role"] == "owner",
        "{projects}"
    );

    ann.gets(&["project", "members", "add", "bob@example.com", "--role", "editor"])?;
    let members = ann.gets(&["project", "members", "--project", "acme"])?;
    ensure!(
        members["members"].as_array().map(Vec::len) == Some(2),
        "{members}"
    );
    ann.gets(&["project", "members", "remove", "bob@example.com"])?;

    let asked = ann.gets(&["agent", "create", "scout", "--name", "Scout", "--emoji", "🦉"])?;
    let id = asked["request_id"].as_str().context("no request id")?;
    let agents = ann.gets(&["agent", "list"])?;
    ensure!(
        agents["agents"][0]["agent_key"] == "agent:scout:main" && agents["agents"][0]["emoji"] == "🦉",
        "{agents}"
    );
    let status = ann.gets(&["agent", "status", "scout"])?;
    ensure!(status["newest_request"]["id"] == id, "{status}");
    let requests = ann.gets(&["request", "list", "--status", "queued"])?;
    ensure!(requests["requests"][0]["id"] == id, "{requests}");
    let why = ann.gets(&["request", "why", id])?;
    ensure!(why["status"] == "queued" && !why["why"].is_null(), "{why}");

    let written = "select display_name, agent_id_short from public.agent_provision_requests";
    let row = db.postgres().await?.query_one(written, &[]).await?;
    ensure!(row.get::<_, &str>(0) == "Scout" && row.get::<_, &str>(1) == "scout");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_host_lists_and_adopts_what_openclaw_has_already() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let (code, value) = ann.asks(&["agent", "adopt"])?;
    ensure!(code == 4, "a project without a host: {code} {value}");
    let host = db.host(&["acme"]).await?;
    let (code, value) = ann.asks(&["agent", "adopt", "ada"])?;
    ensure!(code == 3, "somebody else's host: {code} {value}");
    let own = format!(
        "update hosts set owner_id = (select id from auth.users where email = '{EMAIL}') where id = '{}'",
        host.id
    );
    db.postgres().await?.batch_execute(&own).await?;
    let (code, value) = ann.asks(&["agent", "adopt"])?;
    ensure!(
        code == 1 && value["error"]["code"] == "no_report",
        "{code} {value}"
    );

    let home = WorkerHome::new()?;
    let mut entries = json!({});
    for id in ["ada", "bob", "eve"] {
        let folder = home.path().join("by-hand").join(id);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("SOUL.md"), id)?;
        entries[id] = json!({ "workspace": folder, "identity": { "name": "By hand", "emoji": "🦉" } });
    }
    std::fs::create_dir_all(home.openclaw_state())?;
    let config = json!({ "agents": { "entries": entries } });
    std::fs::write(home.openclaw_state().join("openclaw.json"), config.to_string())?;
    let setup = WorkerSetup::new(&host.url, cluster::built_program("openclaw-stand-in")?)
        .allow("there is nothing to adopt");
    let _worker = home.start(&setup)?;
    let mut listed = Value::Null;
    eventually("the host tells of its agents", START, async || {
        listed = ann.gets(&["agent", "adopt"]).unwrap_or_default();
        listed["agents"].is_array()
    })
    .await;
    ensure!(
        listed["agents"].as_array().map(Vec::len) == Some(3) && listed["agents"][0]["name"] == "By hand",
        "{listed}"
    );

    let adopted = ann.gets(&["agent", "adopt", "ada", "--project", "acme"])?;
    ensure!(
        adopted["agents"][0]["outcome"] == "adopted"
            && adopted["agents"][0]["workspace"]
                .as_str()
                .is_some_and(|path| path.ends_with("by-hand/ada")),
        "{adopted}"
    );
    let all = ann.gets(&["agent", "adopt", "--all"])?;
    ensure!(all["agents"].as_array().map(Vec::len) == Some(2), "{all}");
    let agents = ann.gets(&["agent", "list"])?;
    ensure!(
        agents["agents"].as_array().map(Vec::len) == Some(3)
            && agents["agents"][0]["provisioned"] == json!(true)
            && agents["agents"][0]["name"] == "By hand",
        "{agents}"
    );
    let none = ann.gets(&["agent", "adopt"])?;
    ensure!(none["agents"] == json!([]), "{none}");

    let (code, value) = ann.asks(&["agent", "adopt", "main"])?;
    ensure!(
        code == 2 && value["error"]["code"] == "agent_id",
        "{code} {value}"
    );
    let (code, value) = ann.asks(&["agent", "adopt", "nobody", "ada"])?;
    ensure!(
        code == 6
            && value["agents"][0]["outcome"] == "failed"
            && value["agents"][0]["reason"]["code"] == "nothing_to_adopt"
            && value["agents"][1]["outcome"] == "exists",
        "{code} {value}"
    );
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
    for command in [["agent", "list"], ["request", "list"], ["project", "members"]] {
        let (code, value) = ann.asks(&[&command[..], &["--project", "nobodys"]].concat())?;
        ensure!(
            code == 4 && value["error"]["code"] == "not_found",
            "{command:?}: {code} {value}"
        );
    }

    let gone = Person {
        home: tempfile::tempdir()?,
        email: EMAIL.to_owned(),
        url: "http://127.0.0.1:9".to_owned(),
        key: "k".to_owned(),
        proxy: None,
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
        hosts["hosts"][0]["name"] == "mac-mini" && hosts["hosts"][0]["projects"][0]["project_id"] == "acme",
        "{hosts}"
    );

    let (code, value) = enrol(&["--project", "acme", "--out", "worker.toml"])?;
    ensure!(code == 1, "an existing file is not written over: {code} {value}");
    let (code, value) = enrol(&["--project", "nobodys", "--out", "nobodys.toml"])?;
    ensure!(code == 4, "a project that is not there: {code} {value}");
    ensure!(
        !ann.home.path().join("nobodys.toml").exists(),
        "a file without a login is left"
    );
    let count = "select count(*) from public.hosts";
    let count: i64 = db.postgres().await?.query_one(count, &[]).await?.get(0);
    ensure!(
        count == 1,
        "{count} hosts, of which somebody has the login of one"
    );
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

/// Ann makes a code, Bo's machine enrols by it, and Ann minds the host.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_enrols_by_a_code_and_its_owner_has_the_last_word() -> Result<()> {
    let (_db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let made = ann.gets(&[
        "host",
        "code",
        "--project",
        "acme",
        "--name",
        "mini",
        "--tag",
        "gpu",
    ])?;
    let code = made["code"].as_str().context("a code")?;
    assert_eq!(made["url"], json!(rest.url()));

    // She sees that it is not used yet, not the code itself, and ends another one that she made by mistake.
    let unused = ann.gets(&["host", "code", "--name", "wrong"])?;
    let codes = ann.gets(&["host", "codes"])?;
    let listed = codes["codes"].as_array().context("codes")?;
    assert_eq!(
        listed.iter().map(|code| &code["name"]).collect::<Vec<_>>(),
        ["mini", "wrong"]
    );
    assert_eq!(listed[0]["project_ids"], json!(["acme"]));
    for secret in [code, unused["code"].as_str().context("a code")?] {
        assert!(!codes.to_string().contains(secret), "{codes}");
    }
    let wrong = listed[1]["id"].as_str().context("an id")?;
    ann.gets(&["host", "codes", "--revoke", wrong])?;
    assert_eq!(ann.asks(&["host", "codes", "--revoke", wrong])?.0, 4);
    assert_eq!(
        ann.gets(&["host", "codes"])?["codes"].as_array().map(Vec::len),
        Some(1)
    );

    // Bo has nothing but URL, key and code.
    let bo = Person::at(&rest)?;
    let enrolled = bo.gets(&["host", "enroll", "--code", code])?;
    let (file, key_file) = (
        bo.home.path().join(".config/creel/worker.toml"),
        bo.home.path().join(".config/creel/host.key"),
    );
    assert_eq!(
        (&enrolled["file"], &enrolled["key_file"]),
        (&json!(file), &json!(key_file))
    );
    assert_eq!((mode_of(&file)?, mode_of(&key_file)?), (0o600, 0o600));
    let text = std::fs::read_to_string(&file)?;
    let key = std::fs::read_to_string(&key_file)?;
    assert!(text.contains(&rest.url()) && !text.contains(key.trim()), "{text}");
    assert!(!enrolled.to_string().contains(key.trim()));
    assert_eq!(std::fs::read_dir(file.parent().context("a folder")?)?.count(), 2);
    let (exit, refused) = bo.asks(&["host", "enroll", "--code", code, "--out", "other.toml"])?;
    assert_eq!(
        (exit, &refused["error"]["code"]),
        (4, &json!("PT404")),
        "{refused}"
    );
    assert!(!bo.home.path().join("host.key.next").exists() && !bo.home.path().join("other.toml").exists());

    let rotated = bo.gets(&["host", "rotate"])?;
    assert_eq!(rotated["file"], json!(key_file));
    assert_ne!(std::fs::read_to_string(&key_file)?, key);

    let hosts = ann.gets(&["host", "list"])?;
    let id = hosts["hosts"][0]["id"].as_str().context("an id")?;
    assert_eq!(
        (&hosts["hosts"][0]["name"], &enrolled["host_id"]),
        (&json!("mini"), &json!(id))
    );
    assert_eq!(ann.gets(&["host", "drain", "mini"])?["status"], json!("draining"));
    assert_eq!(ann.gets(&["host", "resume", id])?["status"], json!("online"));
    assert_eq!(ann.asks(&["host", "resume", "mini"])?.0, 1, "it does not drain");
    assert_eq!(ann.asks(&["host", "drain", "nobody"])?.0, 4);

    ann.gets(&["host", "revoke", "mini"])?;
    let (exit, shut_out) = bo.asks(&["host", "rotate"])?;
    assert_ne!(exit, 0, "{shut_out}");
    let again = ann.gets(&["host", "code", "--host", "mini"])?;
    let code = again["code"].as_str().context("a code")?;
    let back = bo.gets(&["host", "enroll", "--code", code])?;
    assert_eq!(back["host_id"], json!(id), "it is the same host");
    assert_eq!(std::fs::read_to_string(&file)?, text, "its configuration stays");
    bo.gets(&["host", "rotate"])?;

    assert_eq!(ann.gets(&["host", "retire", "mini"])?["status"], json!("retired"));
    assert_ne!(bo.asks(&["host", "rotate"])?.0, 0);
    let (exit, refused) = ann.asks(&["host", "code", "--host", "mini"])?;
    assert_eq!(
        (exit, &refused["error"]["code"]),
        (1, &json!("PT409")),
        "{refused}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_and_tokens_for_this_machine_pass_no_proxy() -> Result<()> {
    let (_db, rest) = project_api().await?;
    let mut ann = Person::at(&rest)?;
    ann.proxy = Some("http://127.0.0.1:9");
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    ann.gets(&["agent", "list"])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_for_an_agent_changes_only_what_is_given() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    ann.gets(&[
        "agent", "create", "scout", "--name", "Ada", "--emoji", "🦉", "--role", "watches",
    ])?;
    let owner = db.postgres().await?;
    let settle = "update public.agent_provision_requests set status = 'error', completed_at = now()";
    owner.batch_execute(settle).await?;
    ann.gets(&["agent", "create", "scout", "--role", "sleeps"])?;
    let written = "select name, emoji, role from public.agents";
    let row = owner.query_one(written, &[]).await?;
    let parts: [String; 3] = [row.get(0), row.get(1), row.get(2)];
    ensure!(parts == ["Ada", "🦉", "sleeps"], "{parts:?}");
    let written = "select display_name, emoji from public.agent_provision_requests where status = 'queued'";
    let row = owner.query_one(written, &[]).await?;
    let parts: [String; 2] = [row.get(0), row.get(1)];
    ensure!(parts == ["Ada", "🦉"], "{parts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_token_is_refused_is_renewed() -> Result<()> {
    let (_db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    let file = ann.home.path().join("state/creel/sessions.json");
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    kept["sessions"][0]["access_token"] = json!("e30.e30.e30");
    std::fs::write(&file, kept.to_string())?;
    ann.gets(&["project", "list"])?;
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    ensure!(
        kept["sessions"][0]["access_token"] != "e30.e30.e30",
        "the new token is kept"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_of_the_database_is_told_as_such() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    let owner = db.user("owner@example.com").await?;
    let project = db.project(&owner).await?;
    let host = db.host(&[&project]).await?;
    let wrong = db.url_as("postgres", &Secret::new("wrong"));
    // A host may not enrol others.
    for url in [wrong, host.url] {
        let mut enrol = ann.command(&["host", "enroll", "--json", "--project", &project])?;
        let output = enrol.env("DATABASE_URL", &url).output()?;
        let value: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(
            output.status.code() == Some(3),
            "{:?} {value}",
            output.status.code()
        );
        ensure!(
            value["error"]["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("DATABASE_URL")),
            "{value}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_start_that_waits_for_another_installation() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools)?;
    let installing = std::fs::File::create(tools.join(".lock"))?;
    installing.lock()?;
    let mut up = creel_local::process::command(cluster::built_program("creel")?);
    let mut child = up.args(["up", "--state-dir"]).arg(folder.path()).spawn()?;
    eventually("creel up begins", START, async || {
        folder.path().join("lock").exists()
    })
    .await;
    let pid = child
        .id()
        .and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed()));
    rustix::process::kill_process(pid.context("it ended by itself")?, rustix::process::Signal::INT)?;
    let status = tokio::time::timeout(START, child.wait())
        .await
        .context("it does not end")??;
    ensure!(status.code() == Some(130), "{status}");
    Ok(())
}

#[tokio::test]
async fn another_creel_up_is_told_of_before_anything_is_installed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools)?;
    // Whoever installs something waits for ever.
    let installing = std::fs::File::create(tools.join(".lock"))?;
    installing.lock()?;
    let other = std::fs::File::create(folder.path().join("lock"))?;
    other.lock()?;
    let mut up = creel_local::process::command(cluster::built_program("creel")?);
    up.args(["up", "--state-dir"]).arg(folder.path());
    let said = creel_local::process::run(&mut up, START)
        .await
        .err()
        .context("it runs")?;
    ensure!(format!("{said:#}").contains("another creel up runs"), "{said:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_reads_the_workers_configuration() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    let owner = db.user("owner@example.com").await?;
    let project = db.project(&owner).await?;
    let host = db.host(&[&project]).await?;
    let file = ann.home.path().join("worker.toml");
    let text = format!(
        "database_url = {:?}\nopenclaw = \"/nowhere/openclaw\"\n",
        host.url
    );
    std::fs::write(&file, text)?;
    let mut doctor = ann.command(&["doctor", "--config", "worker.toml", "--json"])?;
    // As the worker does: the file that is named goes before what happens to be in the environment.
    let output = doctor.env("DATABASE_URL", db.postgres_url()).output()?;
    let value: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(7), "{value}");
    let found = |name: &str| {
        let checks = value["checks"].as_array().into_iter().flatten();
        let check = checks.into_iter().find(|check| check["name"] == name);
        check.map_or(Value::Null, |check| check["found"].clone())
    };
    ensure!(
        found("openclaw")
            .as_str()
            .is_some_and(|text| text.contains("/nowhere")),
        "{value}"
    );
    ensure!(
        found("host login")
            .as_str()
            .is_some_and(|text| text.starts_with("a host")),
        "{value}"
    );
    Ok(())
}

/// A program of a person's own: what a shell makes of this text.
fn put_program(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_installs_a_missing_openclaw_when_somebody_says_yes() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    let bin = ann.home.path().join("bin");
    std::fs::create_dir(&bin)?;
    put_program(&bin, "node", "echo v26.1.0")?;
    put_program(&bin, "openclaw", "echo OpenClaw 2025.1.1")?;
    let doctor = |args: &[&str]| -> Result<(i32, String)> {
        let mut command = ann.command(&[&["doctor", "--json"], args].concat())?;
        let output = command
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("DATABASE_URL", db.postgres_url())
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((
            output.status.code().context("it was killed")?,
            String::from_utf8(said)?,
        ))
    };
    let pinned = format!("openclaw@{}", creel_local::install::openclaw::OPENCLAW_VERSION);

    let (code, said) = doctor(&[])?;
    ensure!(
        code == 7 && said.contains("2025.1.1") && said.contains(&pinned),
        "{said}"
    );
    // npm says why it cannot.
    put_program(&bin, "npm", "echo npm error code EACCES >&2; exit 243")?;
    let (code, said) = doctor(&["--fix", "--yes"])?;
    ensure!(
        code == 1 && said.contains("npm_failed") && said.contains("npm config set prefix"),
        "{said}"
    );
    let npm = format!(
        "[ \"$1\" = --version ] && echo 11.0.0 && exit\necho \"$@\" > {0}/asked\nprintf '#!/bin/sh\\necho OpenClaw 2026.9.6\\n' > {0}/openclaw",
        bin.display()
    );
    put_program(&bin, "npm", &npm)?;
    let (code, said) = doctor(&["--fix"])?;
    ensure!(code == 2 && said.contains("--yes"), "nobody said yes: {said}");
    ensure!(!bin.join("asked").exists(), "npm was run");
    // A node that OpenClaw refuses is told before npm is run.
    put_program(&bin, "node", "echo v20.1.0")?;
    let (code, said) = doctor(&["--fix", "--yes"])?;
    ensure!(
        code == 1 && said.contains("cannot_install") && said.contains("v20.1.0"),
        "{said}"
    );
    put_program(&bin, "node", "echo v26.1.0")?;
    let (_, said) = doctor(&["--fix", "--yes"])?;
    ensure!(said.contains("OpenClaw 2026.9.6"), "{said}");
    let asked = std::fs::read_to_string(bin.join("asked"))?;
    ensure!(
        asked.starts_with("install --global ") && asked.trim().ends_with(&pinned),
        "{asked}"
    );
    let before = std::fs::metadata(bin.join("asked"))?.modified()?;
    doctor(&["--fix", "--yes"])?;
    ensure!(
        std::fs::metadata(bin.join("asked"))?.modified()? == before,
        "what is there is not installed again"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_of_a_host_with_a_key_says_whether_it_is_let_in() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    let (host, key) = db.host_with_key(&[]).await?;
    let path = ann.home.path().join("host.key");
    creel_worker::HostKey::parse(&key)
        .context("a key")?
        .write(&path)?;
    let text = format!(
        "data_api_url = {:?}\npublishable_key = {:?}\nhost_key_file = {path:?}\n",
        rest.url(),
        rest.publishable_key(),
    );
    std::fs::write(ann.home.path().join("worker.toml"), text)?;
    let check = |name: &str| -> Result<Value> {
        let output = ann
            .command(&["doctor", "--config", "worker.toml", "--json"])?
            .output()?;
        let value: Value = serde_json::from_slice(&output.stdout)?;
        let checks = value["checks"].as_array().cloned().unwrap_or_default();
        let check = checks.into_iter().find(|check| check["name"] == name);
        ensure!(
            !String::from_utf8_lossy(&output.stdout).contains(&key),
            "the key is shown"
        );
        check.with_context(|| format!("{name} is looked at: {value}"))
    };
    ensure!(check("host key")?["verdict"] == "ok", "{}", check("host key")?);
    ensure!(check("Realtime")?["verdict"] == "ok", "{}", check("Realtime")?);
    rest.realtime().cut();
    let cut = check("Realtime")?;
    ensure!(
        cut["verdict"] == "-"
            && cut["found"]
                .as_str()
                .is_some_and(|text| text.starts_with("no channel")),
        "{cut}"
    );
    ensure!(
        !cut.to_string().contains(rest.publishable_key()),
        "the address is not told with the key: {cut}"
    );
    db.postgres()
        .await?
        .execute("select creel.revoke_host($1)", &[&host])
        .await?;
    let refused = check("host key")?;
    ensure!(refused["verdict"] == "broken", "{refused}");
    ensure!(
        refused["what_to_do"]
            .as_str()
            .is_some_and(|text| text.contains("creel host code")),
        "{refused}"
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_does_what_it_is_told_and_its_log_is_shown() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let host = db.host(&["acme"]).await?;
    let home = WorkerHome::new()?;
    std::fs::create_dir_all(home.openclaw_state())?;
    let first_port = 20_000 + std::process::id() % 120;
    let setup = WorkerSetup::new(&host.url, cluster::built_program("openclaw-stand-in")?)
        .env("CREEL_AGENT_MEMORY_MB", "1")
        .env("CREEL_FIRST_AGENT_PORT", first_port.to_string());
    let _worker = home.start(&setup)?;

    let deployed = ann.gets(&["agent", "deploy", "scout", "--backend", "profile"])?;
    ensure!(
        deployed["type"] == "deploy" && deployed["result"]["state"] == "running",
        "{deployed}"
    );
    let shown = ann.gets(&["agent", "show", "scout"])?;
    ensure!(
        shown["agent"]["status"] == "running" && shown["agent"]["open_commands"] == json!([]),
        "{shown}"
    );
    let text = String::from_utf8(ann.types(&["agent", "show", "scout"])?.stdout)?;
    for part in ["running", "profile", &shown["agent"]["port"].to_string()] {
        ensure!(text.contains(part), "{part} is not in: {text}");
    }

    // A gateway prints what it likes; a key that it prints stays on the host.
    let id = shown["agent"]["id"].as_str().context("no id")?;
    let log = home.data().join("agents").join(id).join("gateway.log");
    let mut printed = std::fs::OpenOptions::new().append(true).open(log)?;
    writeln!(printed, "using sk-proj-abcdefghijklmnop1234 for scout")?;
    let mut lines = Value::Null;
    eventually("the log is told", START, async || {
        lines = ann.gets(&["agent", "logs", "scout"]).unwrap_or_default()["lines"].clone();
        lines.to_string().contains("for scout")
    })
    .await;
    ensure!(lines.to_string().contains("using [removed] for scout"), "{lines}");

    ensure!(ann.gets(&["agent", "stop", "scout"])?["result"]["state"] == "stopped");
    ensure!(ann.gets(&["agent", "status", "scout"])?["agent"]["status"] == "stopped");
    ensure!(ann.gets(&["agent", "start", "scout"])?["result"]["state"] == "running");
    let (code, value) = ann.asks(&["agent", "config", "scout"])?;
    ensure!(code == 2 && value["error"]["code"] == "usage", "{value}");
    ann.gets(&[
        "agent",
        "config",
        "scout",
        "--name",
        "Ada",
        "--limit",
        "ram_mb=4096",
    ])?;
    let shown = ann.gets(&["agent", "show", "scout"])?;
    ensure!(
        shown["agent"]["name"] == "Ada" && shown["agent"]["limits"]["ram_mb"] == 4096,
        "{shown}"
    );
    ensure!(ann.gets(&["agent", "restart", "scout"])?["result"]["state"] == "running");
    let commands = ann.gets(&["agent", "commands", "scout"])?;
    let kinds: Vec<_> = commands["commands"]
        .as_array()
        .context("no list")?
        .iter()
        .map(|row| &row["type"])
        .collect();
    ensure!(
        kinds == ["restart", "update_config", "start", "stop", "deploy"],
        "{commands}"
    );

    ann.gets(&["agent", "remove", "scout", "--delete"])?;
    ensure!(ann.gets(&["agent", "list"])?["agents"] == json!([]));
    let (code, value) = ann.asks(&["agent", "stop", "scout"])?;
    ensure!(
        code == 4 && value["error"]["message"].is_string(),
        "{code} {value}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_nobody_can_do_yet_says_what_it_waits_for() -> Result<()> {
    let (_db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let sent = ann.gets(&["agent", "deploy", "scout", "--backend", "profile", "--no-wait"])?;
    ensure!(sent["command_id"].is_string(), "{sent}");
    let shown = ann.gets(&["agent", "show", "scout"])?;
    ensure!(
        shown["agent"]["open_commands"][0]["id"] == sent["command_id"] && !shown["why"].is_null(),
        "{shown}"
    );
    let (code, value) = ann.asks(&["agent", "start", "scout", "--wait-secs", "0"])?;
    ensure!(code == 8 && value["error"]["code"] == "timeout", "{code} {value}");
    let none = ann.gets(&["agent", "logs", "scout"])?;
    ensure!(none["lines"] == json!([]), "{none}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_an_address_told_and_sees_what_became_of_it() -> Result<()> {
    let (db, rest) = project_api().await?;
    let admin = db.postgres().await?;
    admin
        .batch_execute("update creel.settings set webhooks_to_loopback = true")
        .await?;
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = axum::Router::new()
        .route("/good", axum::routing::post(async || "thank you"))
        .route(
            "/bad",
            axum::routing::post(async || axum::http::StatusCode::NOT_FOUND),
        );
    let receiving = tokio::spawn(async move { axum::serve(listener, router).await });
    let stop = tokio_util::sync::CancellationToken::new();
    let delivering = tokio::spawn(creel_local::notify::run(db.postgres_config(), stop.clone()));

    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let hook = |command: &[&str]| ann.asks(&[&["project", "webhook"], command].concat());
    let (code, made) = hook(&["add", &format!("{url}/good"), "--event", "agent.down"])?;
    ensure!(
        code == 0
            && made["secret"]
                .as_str()
                .is_some_and(|secret| secret.starts_with("whsec_")),
        "{made}"
    );
    let id = made["id"].as_str().context("no id")?;
    let (code, rotated) = hook(&["rotate", id])?;
    ensure!(code == 0 && rotated["secret"] != made["secret"], "{rotated}");
    ensure!(hook(&["test", id])?.0 == 0);
    let (_, bad) = hook(&["add", &format!("{url}/bad")])?;
    let bad = bad["id"].as_str().context("no id")?;
    let (code, refused) = hook(&["test", bad])?;
    let message = refused["error"]["message"].as_str().unwrap_or_default();
    ensure!(code == 6 && message.contains("404"), "{refused}");

    let (_, listed) = hook(&["list"])?;
    ensure!(listed["webhooks"].as_array().map(Vec::len) == Some(2), "{listed}");
    ensure!(!listed.to_string().contains("whsec_"), "{listed}");
    let (_, told) = hook(&["deliveries"])?;
    ensure!(told["deliveries"][1]["status"] == "delivered", "{told}");
    ensure!(hook(&["deliveries", "--failed"])?.1["deliveries"] == json!([]));
    ensure!(hook(&["disable", bad])?.0 == 0);
    ensure!(hook(&["test", bad])?.0 == 1, "a disabled one");
    ensure!(hook(&["enable", bad])?.0 == 0);
    ensure!(hook(&["remove", bad])?.0 == 0);
    ensure!(hook(&["remove", bad])?.0 == 4, "it is gone");
    ensure!(hook(&["enable", bad])?.0 == 4, "it is gone");
    ensure!(hook(&["add", "http://example.com"])?.0 != 0);
    ensure!(hook(&["add", "https://example.com", "--event", "agent.up"])?.0 == 2);

    stop.cancel();
    delivering.await?;
    receiving.abort();
    Ok(())
}
