//! `creel host enroll`: a trusted host, with a login role of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;
use creel_core::secret::Secret;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::enroll_by_code::{self, Newcomer};
use crate::connection::ConnectionArgs;
use crate::database::DatabaseArgs;
use crate::env_file::{self, NewPrivateFile};
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// What `creel host enroll` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EnrollArgs {
    /// Code that the host's owner made by creel host code. The machine makes itself a key.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["projects", "capacity", "owner", "database_url"])]
    code: Option<String>,

    /// Where the key goes, with --code: a file of mode 0600 [default: host.key beside --out].
    #[arg(long, value_name = "FILE", requires = "code")]
    key_file: Option<PathBuf>,

    /// Project that the host may serve; may be given more than once.
    #[arg(long = "project", required_unless_present = "code", value_name = "ID")]
    projects: Vec<String>,

    /// What people call the host [default: this machine's name].
    #[arg(long)]
    name: Option<String>,

    /// How many agents it may have.
    #[arg(long, default_value_t = 10)]
    capacity: u32,

    /// linux or macos [default: this machine's].
    #[arg(long, value_parser = ["linux", "macos"])]
    platform: Option<String>,

    /// E-mail address of the person who owns the host [default: the first owner of the first project].
    #[arg(long, value_name = "EMAIL")]
    owner: Option<String>,

    /// Write the worker's DATABASE_URL to this new file (mode 0600) in place of standard output: as a worker's
    /// configuration when the name ends in .toml, else as lines for a shell. With --code, the worker's configuration
    /// [default: ~/.config/creel/worker.toml].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// A host to be made.
#[derive(Debug)]
pub(crate) struct Enrolment {
    /// Projects that it may serve.
    pub(crate) projects: Vec<String>,
    /// What people call it.
    pub(crate) name: String,
    /// How many agents it may have.
    pub(crate) capacity: u32,
    /// `linux` or `macos`.
    pub(crate) platform: String,
    /// Who owns it.
    pub(crate) owner_id: Option<Uuid>,
}

/// A host that was made.
#[derive(Debug)]
pub(crate) struct Enrolled {
    /// Its id.
    pub(crate) host_id: Uuid,
    /// Its login role.
    pub(crate) role: String,
    /// The role's password, which nobody else knows.
    pub(crate) password: Secret,
}

const FIND_OWNER: &str = include_str!("../../../../sql/queries/find_host_owner.sql");
const FIND_MISSING_PROJECTS: &str = include_str!("../../../../sql/queries/find_missing_projects.sql");

/// Bytes of a password: more than anybody can try.
const PASSWORD_BYTES: usize = 24;

/// Makes a host and hands over its login.
pub(super) async fn run(args: EnrollArgs, out: Output) -> anyhow::Result<()> {
    if let Some(code) = args.code {
        let newcomer = Newcomer {
            code,
            name: args.name,
            platform: args.platform.unwrap_or_else(|| this_platform().to_owned()),
            config_file: args.out,
            key_file: args.key_file,
        };
        return enroll_by_code::run(newcomer, &args.connection, out).await;
    }
    let admin_url = args.database.require_url()?;
    // Nothing that can be known before may fail when the host is there.
    host_url(&admin_url, "creel_host", &Secret::new("password"))?;
    let client = args.database.connect().await?;
    let owner_id = find_owner(&client, args.owner.as_deref(), &args.projects[0]).await?;
    let enrolment = Enrolment {
        projects: args.projects,
        name: args.name.or_else(host_name).unwrap_or_else(|| "host".to_owned()),
        capacity: args.capacity,
        platform: args.platform.unwrap_or_else(|| this_platform().to_owned()),
        owner_id,
    };
    let file = args.out.as_deref().map(NewPrivateFile::create).transpose()?;
    let enrolled = enroll(&client, &enrolment).await?;
    let id = enrolled.host_id;
    let url = hand_over(&enrolment, &enrolled, &admin_url, args.database.ca_file(), file)
        .with_context(|| format!("hand over the login of host {id}, which was made"))
        .map_err(|error| {
            let message = format!("{error:#}");
            CliError::new(ErrorKind::Failed, message).hint(format!(
                "end the login that nobody has: creel host revoke {id}; then enrol the host again"
            ))
        })?;
    show_enrolled(&enrolment, &enrolled, &url, args.out.as_deref(), out);
    Ok(())
}

/// The host's own URL; written to the file, where there is one.
fn hand_over(
    enrolment: &Enrolment,
    enrolled: &Enrolled,
    admin_url: &Secret,
    ca_file: Option<&Path>,
    file: Option<NewPrivateFile>,
) -> anyhow::Result<Secret> {
    let url = host_url(admin_url, &enrolled.role, &enrolled.password)?;
    if let Some(file) = file {
        let text = if is_toml(file.path()) {
            worker_toml(&enrolment.name, &url, ca_file)
        } else {
            let certificate = ca_file.map(|path| path.display().to_string());
            let certificate = certificate
                .as_deref()
                .map(|path| ("CREEL_DATABASE_CA_FILE", path));
            let variables: Vec<_> = std::iter::once(("DATABASE_URL", url.expose()))
                .chain(certificate)
                .collect();
            env_file::render("A host, made by creel host enroll.", &variables)
        };
        file.write(&text)?;
    }
    Ok(url)
}

fn is_toml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml")
}

/// A worker's configuration; the certificate is to be copied to the host beside it.
fn worker_toml(name: &str, url: &Secret, ca_file: Option<&Path>) -> String {
    let name = printable(name);
    let certificate = match ca_file {
        Some(path) => format!(
            "# The database's certificate, copied to the host: the path is the host's.\ndatabase_ca_file = {:?}\n",
            path.display().to_string()
        ),
        None => "# For hosted Supabase, the certificate of the project's Database settings:\n\
                 # database_ca_file = \"/etc/creel/prod-ca-2021.crt\"\n"
            .to_owned(),
    };
    format!(
        "# Host {name}, made by creel host enroll.\ndatabase_url = {:?}\n{certificate}",
        url.expose()
    )
}

fn show_enrolled(enrolment: &Enrolment, enrolled: &Enrolled, url: &Secret, file: Option<&Path>, out: Output) {
    let shown_url = file.is_none().then(|| url.expose());
    out.value(&json!({
        "ok": true, "host_id": enrolled.host_id, "name": enrolment.name, "role": enrolled.role,
        "projects": enrolment.projects, "database_url": shown_url, "file": file,
    }));
    out.line(format!(
        "Host {} ({}) may serve {}.",
        printable(&enrolment.name),
        enrolled.host_id,
        enrolment.projects.join(", ")
    ));
    match file {
        Some(path) if is_toml(path) => {
            out.line(format!("On the host: creel worker --config {}", path.display()));
        }
        Some(path) => out.line(format!(
            "On the host: set -a; . {}; set +a; creel worker",
            path.display()
        )),
        None => {
            out.line("Its login is shown only now. Keep it on the host, in a file of mode 0600:");
            out.line(format!("DATABASE_URL='{}'", url.expose()));
            out.line("Then run there: creel worker");
        }
    }
}

/// This machine's name.
pub(crate) fn host_name() -> Option<String> {
    sysinfo::System::host_name().ok().filter(|name| !name.is_empty())
}

/// The system that this program runs on, in the words of `hosts.platform`.
pub(crate) const fn this_platform() -> &'static str {
    if cfg!(target_os = "macos") {
        "macos"
    } else {
        "linux"
    }
}

async fn find_owner(client: &Client, email: Option<&str>, project: &str) -> anyhow::Result<Option<Uuid>> {
    let row = client
        .query_opt(FIND_OWNER, &[&email, &project])
        .await
        .context("find the host's owner")?;
    match (row, email) {
        (Some(row), _) => Ok(row.get(0)),
        (None, Some(email)) => Err(CliError::new(
            ErrorKind::NotFound,
            format!("nobody has signed up as {email}"),
        )
        .hint("the owner of a host must have signed up in this Supabase project")
        .into()),
        (None, None) => Ok(None),
    }
}

/// Makes the host, with a password that only its verifier leaves this machine of.
pub(crate) async fn enroll(client: &Client, enrolment: &Enrolment) -> anyhow::Result<Enrolled> {
    let missing = client
        .query(FIND_MISSING_PROJECTS, &[&enrolment.projects])
        .await
        .context("look for the projects")?;
    if let Some(row) = missing.first() {
        let id: String = row.get(0);
        return Err(
            CliError::new(ErrorKind::NotFound, format!("there is no project {id}"))
                .hint(format!("make it first: creel project create {id}"))
                .into(),
        );
    }
    let password = random_password();
    let args = json!({
        "name": enrolment.name,
        "project_ids": enrolment.projects,
        "owner_id": enrolment.owner_id,
        "platform": enrolment.platform,
        "capacity": enrolment.capacity,
        "login": { "verifier": postgres_protocol::password::scram_sha_256(password.expose().as_bytes()) },
    });
    let row = client
        .query_one("select creel.enroll_host($1)", &[&args])
        .await
        .context("enrol the host")?;
    let made: Value = row.get(0);
    let host_id = made["host_id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .context("read the new host's id")?;
    let role = made["role"]
        .as_str()
        .context("read the new host's login role")?
        .to_owned();
    Ok(Enrolled {
        host_id,
        role,
        password,
    })
}

/// A new password of letters and digits, which needs no escape in any URL.
pub(crate) fn random_password() -> Secret {
    let bytes: [u8; PASSWORD_BYTES] = rand::random();
    Secret::new(hex::encode(bytes))
}

/// The address of the owner's connection, with the host's login in place of his.
fn host_url(admin_url: &Secret, role: &str, password: &Secret) -> anyhow::Result<Secret> {
    let wrong = || {
        CliError::new(ErrorKind::Usage, "DATABASE_URL is no URL of a database")
            .hint("it looks like postgresql://USER:PASSWORD@HOST:5432/postgres")
    };
    let mut url = reqwest::Url::parse(admin_url.expose()).map_err(|_| wrong())?;
    // Supabase's pooler wants the project's reference after the role: postgres.abcdef.
    let user = match url.username().split_once('.') {
        Some((_, reference)) => format!("{role}.{reference}"),
        None => role.to_owned(),
    };
    url.set_username(&user).map_err(|()| wrong())?;
    url.set_password(Some(password.expose())).map_err(|()| wrong())?;
    Ok(Secret::new(String::from(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_url_differs_in_its_login_only() {
        let admin = Secret::new("postgresql://postgres:old@db.example.com:5432/postgres?sslmode=require");
        let url = host_url(&admin, "creel_host_a", &Secret::new("pw")).expect("a URL");
        assert_eq!(
            url.expose(),
            "postgresql://creel_host_a:pw@db.example.com:5432/postgres?sslmode=require"
        );
    }

    #[test]
    fn the_session_pooler_is_told_the_projects_reference() {
        let admin = Secret::new("postgresql://postgres.abc:old@aws-0-eu.pooler.supabase.com:5432/postgres");
        let url = host_url(&admin, "creel_host_a", &Secret::new("pw")).expect("a URL");
        assert!(
            url.expose()
                .starts_with("postgresql://creel_host_a.abc:pw@aws-0-eu"),
            "{}",
            url.expose()
        );
    }

    #[test]
    fn no_two_passwords_are_alike_and_only_the_verifier_is_sent() {
        assert_ne!(random_password().expose(), random_password().expose());
        let verifier = postgres_protocol::password::scram_sha_256(b"pw");
        assert!(verifier.starts_with("SCRAM-SHA-256$") && !verifier.contains("pw"));
    }

    #[test]
    fn a_hosts_configuration_is_what_a_worker_reads() {
        let url = Secret::new("postgresql://creel_host_a:pw@db.example.com:5432/postgres");
        for ca_file in [None, Some(Path::new("/etc/creel/it's a \"ca\".crt"))] {
            let text = worker_toml("mac\ndatabase_url = 1", &url, ca_file);
            let args: creel_worker::WorkerArgs = toml::from_str(&text).expect("a configuration");
            assert_eq!(args.database_url.expect("a URL").expose(), url.expose());
            assert_eq!(args.database_ca_file.as_deref(), ca_file);
        }
    }
}
