//! What `creel up` tells: on the screen, and in a file for programs.

use serde_json::json;

use super::parts::Parts;
use super::project::LocalProject;
use crate::env_file;
use crate::output::Output;

/// Writes `env` in the state directory, under the names that supabase-js users know.
pub(super) fn write_env_file(parts: &Parts, project: &LocalProject) -> anyhow::Result<()> {
    let text = env_file::render(
        "Written by creel up. In a shell: . .creel/env",
        &[
            ("SUPABASE_URL", &parts.stack.supabase_url()),
            ("SUPABASE_PUBLISHABLE_KEY", parts.stack.publishable_key().expose()),
            ("SUPABASE_SECRET_KEY", parts.stack.secret_key().expose()),
            ("DATABASE_URL", parts.stack.database_url().expose()),
            ("CREEL_EMAIL", &project.email),
            ("CREEL_PASSWORD", project.password.expose()),
            ("CREEL_PROJECT", &project.id),
        ],
    );
    env_file::write_private(&parts.state_dir.join("env"), &text)
}

/// Shows where everything is, and how to go on.
pub(super) fn show(parts: &Parts, project: &LocalProject, out: Output) {
    let stack = &parts.stack;
    let env_file = parts.state_dir.join("env");
    let rows = [
        ("SUPABASE_URL", stack.supabase_url()),
        (
            "SUPABASE_PUBLISHABLE_KEY",
            stack.publishable_key().expose().to_owned(),
        ),
        ("SUPABASE_SECRET_KEY", stack.secret_key().expose().to_owned()),
        ("DATABASE_URL", stack.database_url().expose().to_owned()),
        ("e-mail address", project.email.clone()),
        ("password", project.password.expose().to_owned()),
        ("project", project.id.clone()),
    ];
    let value = json!({
        "ok": true, "page_url": stack.page_url(),
        "supabase_url": rows[0].1, "supabase_publishable_key": rows[1].1, "supabase_secret_key": rows[2].1,
        "database_url": rows[3].1, "email": rows[4].1, "password": rows[5].1, "project": rows[6].1,
        "host_id": project.host_id, "env_file": env_file, "openclaw": parts.openclaw,
        "openclaw_state_dir": parts.openclaw_state_dir,
    });
    if out.is_json() {
        return out.value(&value);
    }
    out.line(format!(
        "Creel is up. Its page is at {}; sign in there with the address and password below.",
        stack.page_url()
    ));
    out.line("");
    for (name, text) in rows {
        out.line(format!("  {name:25} {text}"));
    }
    out.line("");
    out.line(format!(
        "The same is in {}. In a page of your own, sign in by:",
        env_file.display()
    ));
    out.line("  await supabase.auth.signInWithPassword({ email, password })");
    out.line("From another terminal, in this folder:");
    out.line("  creel agent create scout --name Scout --wait");
    out.line("Ctrl-C stops everything; what is there is kept.");
}
