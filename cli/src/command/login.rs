//! `creel login` and `creel logout`.

use std::io::{self, BufRead, IsTerminal};

use anyhow::Context;
use creel_core::secret::Secret;
use serde_json::json;

use crate::connection::{Connection, ConnectionArgs};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::session::{self, SessionStore};

/// What `creel login` takes. There is no flag for the password, because other users of the machine can read
/// a process' command line: it is asked for, read from standard input or from the environment.
#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Who signs in [default: asked for; of a local project the user that creel up made].
    #[arg(long, env = "CREEL_EMAIL")]
    email: Option<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What `creel logout` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Where a password may come from when nobody is there to type it.
const PASSWORD_VARIABLE: &str = "CREEL_PASSWORD";

/// Signs in and keeps the session.
pub(super) async fn login(args: LoginArgs, out: Output) -> anyhow::Result<()> {
    let store = SessionStore::open()?;
    let connection = args.connection.resolve(&store)?;
    let (email, password) = credentials(args.email, &connection, out)?;
    let session = session::sign_in(&connection, &email, &password).await?;
    store.put(session.clone()).await?;
    out.value(&json!({ "ok": true, "url": session.url, "email": session.email, "user_id": session.user_id }));
    out.line(format!("Signed in to {} as {}.", session.url, session.email));
    Ok(())
}

fn credentials(
    email: Option<String>,
    connection: &Connection,
    out: Output,
) -> anyhow::Result<(String, Secret)> {
    let local = connection.local_login.clone();
    if let Some((local_email, password)) = local
        && email.as_ref().is_none_or(|email| *email == local_email)
    {
        return Ok((local_email, password));
    }
    let email = match email {
        Some(email) => email,
        None if io::stdin().is_terminal() => {
            out.note("E-mail address:");
            read_line()?
        }
        None => {
            return Err(CliError::new(ErrorKind::Usage, "the e-mail address is missing")
                .hint("give --email, or set CREEL_EMAIL")
                .into());
        }
    };
    if let Some(password) = password_of_environment() {
        return Ok((email, password));
    }
    let password = if io::stdin().is_terminal() {
        out.note(format!(
            "Password of {email} at {} (it is not shown):",
            connection.url
        ));
        Secret::new(rpassword::read_password().context("read the password")?)
    } else {
        Secret::new(read_line()?)
    };
    if password.expose().is_empty() {
        return Err(CliError::new(ErrorKind::Usage, "the password is empty")
            .hint("type it, pipe it in, or set CREEL_PASSWORD")
            .into());
    }
    Ok((email, password))
}

#[expect(
    clippy::disallowed_methods,
    reason = "clap would make a flag of it, which others could read"
)]
fn password_of_environment() -> Option<Secret> {
    std::env::var(PASSWORD_VARIABLE).ok().map(Secret::new)
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .context("read standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Forgets the session.
pub(super) async fn logout(args: &LogoutArgs, out: Output) -> anyhow::Result<()> {
    let store = SessionStore::open()?;
    let url = args.connection.resolve(&store)?.url;
    let was_signed_in = store.remove(&url).await?;
    out.value(&json!({ "ok": true, "url": url, "was_signed_in": was_signed_in }));
    out.line(if was_signed_in {
        format!("Signed out of {url}.")
    } else {
        format!("Nobody was signed in to {url}.")
    });
    Ok(())
}
