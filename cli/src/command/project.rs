//! `creel project`.

use creel_core::status::MemberRole;
use serde_json::{Value, json};

use super::webhook::{self, WebhookCommand};
use crate::connection::{ConnectionArgs, local_project};
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What can be done with projects.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make a project; you become its owner.
    Create {
        /// Its id: letters, digits, _ and -.
        id: String,
        /// What people call it [default: the id].
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// List your projects.
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Who may see and change a project.
    Members {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
        /// What to do [default: list].
        #[command(subcommand)]
        command: Option<MembersCommand>,
    },
    /// Who is told, by HTTP, what goes wrong in a project.
    Webhook {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
        /// What to do [default: list].
        #[command(subcommand)]
        command: Option<WebhookCommand>,
    },
}

/// What can be done with members.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum MembersCommand {
    /// List them.
    List,
    /// Add somebody who has signed up, or change a role.
    Add {
        /// The person's e-mail address.
        email: String,
        /// owner, editor or viewer.
        #[arg(long, default_value_t = MemberRole::Viewer, value_parser = parse_role)]
        role: MemberRole,
    },
    /// Remove somebody.
    Remove {
        /// The person's e-mail address.
        email: String,
    },
}

fn parse_role(text: &str) -> Result<MemberRole, String> {
    text.parse()
        .map_err(|_| "a role is owner, editor or viewer".to_owned())
}

/// The project that a command is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ProjectArgs {
    /// Id of the project [default: that of .creel/env here; the only one, when there is one].
    #[arg(long, env = "CREEL_PROJECT", value_name = "ID", global = true)]
    pub(crate) project: Option<String>,
}

impl ProjectArgs {
    /// Decides which project is meant.
    pub(crate) async fn resolve(&self, api: &DataApi) -> anyhow::Result<String> {
        if let Some(id) = &self.project {
            return Ok(id.clone());
        }
        if let Some(id) = local_project(&api.session.url)? {
            return Ok(id);
        }
        let rows = api.rows(api.from("projects").select("id").order("id")).await?;
        match rows.as_slice() {
            [only] => Ok(text(only, "id")),
            [] => Err(
                CliError::new(ErrorKind::NotFound, "you are a member of no project")
                    .hint("make one: creel project create <id>")
                    .into(),
            ),
            _ => Err(
                CliError::new(ErrorKind::Usage, "you are a member of several projects")
                    .hint("say which one: --project <id>; creel project list shows them")
                    .into(),
            ),
        }
    }
}

/// Fails unless the signed-in person is a member of the project: nothing found in no project is no answer.
pub(crate) async fn require(api: &DataApi, id: &str) -> Result<(), CliError> {
    let rows = api.rows(api.from("projects").select("id").eq("id", id)).await?;
    if rows.is_empty() {
        return Err(unknown(id));
    }
    Ok(())
}

fn unknown(id: &str) -> CliError {
    let message = format!("there is no project {id}, or you are no member of it");
    CliError::new(ErrorKind::NotFound, message).hint("creel project list shows yours")
}

/// A text of a row; empty when it is null.
pub(crate) fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// Runs the command.
pub(super) async fn run(command: ProjectCommand, out: Output) -> anyhow::Result<()> {
    match command {
        ProjectCommand::Create { id, name, connection } => {
            let api = DataApi::open(&connection).await?;
            create(&api, &id, name.as_deref().unwrap_or(&id)).await?;
            out.value(&json!({ "ok": true, "id": id }));
            out.line(format!("Project {id} is there, and you own it."));
            out.line(format!(
                "Next, let a host serve it: creel host enroll --project {id}"
            ));
            Ok(())
        }
        ProjectCommand::List { connection } => list(&DataApi::open(&connection).await?, out).await,
        ProjectCommand::Members {
            project,
            connection,
            command,
        } => {
            let api = DataApi::open(&connection).await?;
            let id = project.resolve(&api).await?;
            members(&api, &id, command.unwrap_or(MembersCommand::List), out).await
        }
        ProjectCommand::Webhook {
            project,
            connection,
            command,
        } => {
            let api = DataApi::open(&connection).await?;
            let id = project.resolve(&api).await?;
            webhook::run(&api, &id, command.unwrap_or(WebhookCommand::List), out).await
        }
    }
}

/// Makes a project that the signed-in person owns.
pub(crate) async fn create(api: &DataApi, id: &str, name: &str) -> Result<Value, CliError> {
    api.run(
        api.from("projects")
            .insert(json!({ "id": id, "name": name }).to_string()),
    )
    .await
}

async fn list(api: &DataApi, out: Output) -> anyhow::Result<()> {
    let request = api
        .from("projects")
        .select("id,name,created_at,project_members(role)")
        .eq("project_members.user_id", &api.session.user_id)
        .order("id");
    let rows: Vec<Value> = api
        .rows(request)
        .await?
        .into_iter()
        .map(|row| {
            json!({
                "id": row["id"], "name": row["name"], "created_at": row["created_at"],
                "role": row["project_members"][0]["role"],
            })
        })
        .collect();
    let cells = rows
        .iter()
        .map(|row| ["id", "name", "role"].map(|column| text(row, column)).to_vec())
        .collect();
    let empty = "You are a member of no project. Make one: creel project create <id>";
    out.rows(
        "projects",
        &json!(rows),
        &["PROJECT", "NAME", "YOUR ROLE"],
        cells,
        empty,
    );
    Ok(())
}

async fn members(api: &DataApi, project: &str, command: MembersCommand, out: Output) -> anyhow::Result<()> {
    match command {
        MembersCommand::List => {
            let rows = api
                .call("list_members", &json!({ "project_id": project }))
                .await?;
            // Whoever may see a project is a member of it.
            if rows.as_array().is_none_or(Vec::is_empty) {
                return Err(unknown(project).into());
            }
            let cells = rows.as_array().into_iter().flatten();
            let cells = cells
                .map(|row| {
                    ["email", "role", "user_id"]
                        .map(|column| text(row, column))
                        .to_vec()
                })
                .collect();
            out.rows("members", &rows, &["MEMBER", "ROLE", "USER ID"], cells, "");
        }
        MembersCommand::Add { email, role } => {
            let args = json!({ "project_id": project, "email": email, "role": role });
            let user_id = api.call("add_member", &args).await?;
            out.value(&json!({ "ok": true, "user_id": user_id, "email": email, "role": role }));
            out.line(format!("{email} is {role} of {project}."));
        }
        MembersCommand::Remove { email } => {
            let removed = api
                .call("remove_member", &json!({ "project_id": project, "email": email }))
                .await?;
            if removed != json!(true) {
                let message = format!("{email} is no member of {project}");
                return Err(CliError::new(ErrorKind::NotFound, message)
                    .hint("creel project members shows who is")
                    .into());
            }
            out.value(&json!({ "ok": true, "email": email }));
            out.line(format!("{email} is no member of {project} any more."));
        }
    }
    Ok(())
}
