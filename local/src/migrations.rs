//! Applies the migrations that are built in, and records them as the Supabase CLI does: `supabase db push`
//! finds nothing left to do, and what it applied is not applied again.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use tokio_postgres::Client;

static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../supabase/migrations");

/// The CLI's own table, made as the CLI makes it.
const HISTORY: &str = "
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
";

/// One file of `supabase/migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The digits before the first underscore.
    pub version: String,
    /// What is between them and `.sql`.
    pub name: String,
    /// The file's text.
    pub sql: String,
}

/// The migrations that are built in, in order.
pub fn built_in() -> Result<Vec<Migration>> {
    let mut all = FOLDER
        .files()
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|extension| extension == "sql")
        })
        .map(|file| {
            let shown = file.path().display();
            let stem = file.path().file_stem().and_then(|stem| stem.to_str());
            let (version, name) = stem
                .and_then(|stem| stem.split_once('_'))
                .with_context(|| format!("the migration {shown} is not named <version>_<name>.sql"))?;
            let sql = file
                .contents_utf8()
                .with_context(|| format!("the migration {shown} is not UTF-8"))?;
            Ok(Migration {
                version: version.to_owned(),
                name: name.to_owned(),
                sql: sql.to_owned(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    all.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(all)
}

/// Applies what is missing, each migration in a transaction of its own. `client` is the role `postgres`.
/// Returns the versions that were applied.
pub async fn apply(client: &mut Client, migrations: &[Migration]) -> Result<Vec<String>> {
    client
        .batch_execute(HISTORY)
        .await
        .context("make the table of applied migrations")?;
    let rows = client
        .query(
            "select version, coalesce(statements, '{}') from supabase_migrations.schema_migrations",
            &[],
        )
        .await
        .context("read the applied migrations")?;
    let applied = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let missing = plan_missing(migrations, &applied)?;
    let mut versions = Vec::new();
    for migration in missing {
        let Migration { version, name, sql } = migration;
        apply_one(client, migration)
            .await
            .with_context(|| format!("apply migration {version}_{name}"))?;
        tracing::debug!(bytes = sql.len(), "applied migration {version}_{name}");
        versions.push(version.clone());
    }
    Ok(versions)
}

async fn apply_one(client: &mut Client, migration: &Migration) -> Result<()> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(&migration.sql).await?;
    let statements = vec![migration.sql.as_str()];
    transaction
        .execute(
            "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
            &[&migration.version, &statements, &migration.name],
        )
        .await?;
    transaction.commit().await?;
    // A setting that a migration made for itself must not reach the next one.
    client.batch_execute("reset all").await?;
    Ok(())
}

/// Which migrations are still to be applied, given version and statements of the applied ones.
fn plan_missing<'a>(
    migrations: &'a [Migration],
    applied: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<&'a Migration>> {
    for (version, statements) in applied {
        let Some(migration) = migrations.iter().find(|migration| migration.version == *version) else {
            bail!(
                "the database has migration {version}, which this creel does not know; \
                 use the creel that made it, or a newer one"
            );
        };
        if !statements.is_empty() && essence(&statements.concat()) != essence(&migration.sql) {
            bail!(
                "migration {version}_{} was changed after it was applied; put the file back and add a new \
                 migration, or remove the state folder to begin anew",
                migration.name
            );
        }
    }
    let newest = applied.keys().next_back();
    let missing: Vec<_> = migrations
        .iter()
        .filter(|migration| !applied.contains_key(&migration.version))
        .collect();
    if let Some(late) = missing.iter().find(|migration| Some(&migration.version) < newest) {
        bail!(
            "migration {}_{} is older than the newest applied one; give it a newer version",
            late.version,
            late.name
        );
    }
    Ok(missing)
}

/// The text without what the CLI drops when it splits a file into statements.
fn essence(sql: &str) -> String {
    sql.chars().filter(|c| !c.is_whitespace() && *c != ';').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(version: &str, sql: &str) -> Migration {
        Migration {
            version: version.to_owned(),
            name: "x".to_owned(),
            sql: sql.to_owned(),
        }
    }

    fn applied(rows: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        rows.iter()
            .map(|(version, statements)| ((*version).to_owned(), texts(statements)))
            .collect()
    }

    #[test]
    fn only_what_is_missing_is_applied() {
        let all = [migration("1", "a;\nb;\n"), migration("2", "c;")];
        let missing = plan_missing(&all, &applied(&[("1", &["a", "b"])])).expect("a plan");
        assert_eq!(missing, [&all[1]]);
    }

    #[test]
    fn a_changed_migration_is_refused() {
        let all = [migration("1", "a;")];
        let error = plan_missing(&all, &applied(&[("1", &["b;"])])).expect_err("refused");
        assert!(error.to_string().contains("was changed"), "{error}");
    }

    #[test]
    fn an_unknown_applied_migration_is_refused() {
        let error = plan_missing(&[], &applied(&[("9", &[])])).expect_err("refused");
        assert!(error.to_string().contains("does not know"), "{error}");
    }

    #[test]
    fn a_migration_before_the_newest_applied_one_is_refused() {
        let all = [migration("1", "a"), migration("2", "b")];
        let error = plan_missing(&all, &applied(&[("2", &["b"])])).expect_err("refused");
        assert!(error.to_string().contains("newer version"), "{error}");
    }

    #[test]
    fn the_built_in_migrations_are_well_named_and_in_order() {
        let all = built_in().expect("migrations");
        assert!(all.windows(2).all(|pair| pair[0].version < pair[1].version));
    }
}
