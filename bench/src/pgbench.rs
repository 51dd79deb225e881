//! Ten clients of Postgres' own load generator, calling Creel's own functions or bare SQL.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use creel_local::process;

use crate::stage::{Host, Stage};

/// As in the table.
pub const CLIENT_COUNT: usize = 10;

/// A run that takes longer has stopped.
const LIMIT: Duration = Duration::from_secs(300);

/// One item: claimed by one call, finished by another.
pub const PAIR: &str = r#"select public.claim(jsonb_build_object('api', 1, 'limit', 1, 'woken_by', 'poll', 'session',
  '00000000-0000-4000-8000-' || lpad(:client_id::text, 12, '0'))) #>> '{items,0,token}' as token \gset
select public.finish(jsonb_build_object('api', 1, 'items', jsonb_build_array(
  jsonb_build_object('token', nullif(:token::text, ''), 'outcome', 'done', 'result', '{"ok": true}'::jsonb))));
"#;

/// A hundred items: claimed by one call, finished by another.
pub const BATCH: &str = r#"select coalesce(jsonb_agg(jsonb_build_object(
    'token', i -> 'token', 'outcome', 'done', 'result', '{"ok": true}'::jsonb)), '[]')::text as items
  from jsonb_array_elements(public.claim(jsonb_build_object('api', 1, 'limit', 100, 'woken_by', 'poll', 'session',
    '00000000-0000-4000-8000-' || lpad(:client_id::text, 12, '0')))::jsonb -> 'items') i \gset
select public.finish(jsonb_build_object('api', 1, 'items', :items::text::jsonb));
"#;

/// A hundred rows without fence, order and identity: what a queue costs at the very least.
pub const BARE: &str = r"with taken as (
    update bench.bare set taken_at = now() where id = any (array(
      select id from bench.bare where taken_at is null order by id limit 100 for update skip locked)) returning id)
  select coalesce(array_agg(id), '{}')::text as ids from taken \gset
delete from bench.bare where id = any (:ids::text::bigint[]);
";

/// Runs a script so often in each client; answers how many times in a second all of them together ran it.
pub async fn run(stage: &Stage, host: Option<&Host>, script: &str, times_each: usize) -> Result<f64> {
    let folder = stage.new_folder("pgbench")?;
    let file = folder.join("script.sql");
    fs::write(&file, script).context("write the script for pgbench")?;
    let (user, password) = match host {
        Some(host) => (host.role.clone(), host.password.expose().to_owned()),
        None => stage.superuser_login(),
    };
    let mut command = process::command("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared", "--host=127.0.0.1"])
        .arg(format!("--port={}", stage.port()))
        .arg(format!("--username={user}"))
        .arg(format!("--client={CLIENT_COUNT}"))
        .arg(format!("--transactions={times_each}"))
        .arg("--file")
        .arg(&file)
        .arg("postgres")
        .env("PGPASSWORD", password)
        .current_dir(&folder);
    let said = process::run(&mut command, LIMIT)
        .await
        .context("run pgbench (scripts/bench installs it)")?;
    parse_rate(&said).with_context(|| format!("read what pgbench says: {said}"))
}

/// The rate without the time that connecting took.
fn parse_rate(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.starts_with("tps = "))?;
    line.split(' ').nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_says() {
        let said = "latency average = 1.1 ms\ntps = 1234.5 (without initial connection time)\n";
        assert_eq!(parse_rate(said), Some(1234.5));
        assert_eq!(parse_rate("pgbench: error"), None);
    }
}
