//! The documents say nothing that is not so: their paths exist, their commands are understood, their lists
//! are complete.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use creel_tests::cluster;
use creel_tests::db::TestDb;

/// Every document that people read.
fn documents() -> Result<Vec<(PathBuf, String)>> {
    let repo = cluster::repo();
    let mut paths: Vec<PathBuf> = ["README.md", "CHANGELOG.md"]
        .iter()
        .map(|name| repo.join(name))
        .collect();
    for part in ["core", "worker", "local", "cli", "dashboard", "tests"] {
        paths.extend(Some(repo.join(part).join("README.md")).filter(|path| path.exists()));
    }
    for entry in std::fs::read_dir(repo.join("docs")).context("list docs")? {
        paths.push(entry?.path());
    }
    paths
        .into_iter()
        .map(|path| Ok((path.clone(), std::fs::read_to_string(&path)?)))
        .collect()
}

/// Code blocks of a language, by the fence's first word.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, Vec<&str>)> = None;
    for line in text.lines() {
        match (line.trim().strip_prefix("```"), open.take()) {
            (Some(info), None) => open = Some((info == language, Vec::new())),
            (Some(_), Some((true, block))) => blocks.push(block),
            (Some(_), Some((false, _))) | (None, None) => {}
            (None, Some((wanted, mut block))) => {
                block.push(line.trim());
                open = Some((wanted, block));
            }
        }
    }
    blocks
}

/// Texts between single backticks, outside of code blocks.
fn code_spans(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.push_str(line);
            prose.push(' ');
        }
    }
    prose
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Targets of links that are no URLs.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

/// What of a code span is a path of this repository: it begins with one of its folders.
fn repository_path(span: &str) -> Option<&str> {
    let (first, _) = span.split_once('/')?;
    let known = cluster::repo().join(first).is_dir() && !first.is_empty() && !first.starts_with('.');
    let plain = !span.contains([' ', '<', '*', '{', '$']);
    (known && plain).then_some(span)
}

/// Whether a path is of what a script builds: a fresh clone has none of it, but the script names the folder.
fn is_built(path: &str) -> Result<bool> {
    let Some(inside) = path.strip_prefix("target/") else {
        return Ok(false);
    };
    let folder = format!("target/{}", inside.split('/').next().unwrap_or_default());
    for script in std::fs::read_dir(cluster::repo().join("scripts")).context("list the scripts")? {
        let script = script.context("list the scripts")?.path();
        if script.is_file()
            && std::fs::read_to_string(&script)
                .context("read a script")?
                .contains(&folder)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Splits a command line as a shell would, as far as the documents need it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn creel(args: &[String]) -> Result<Output> {
    let program = cluster::built_program("creel")?;
    // What is understood must not depend on who runs the test.
    let mut command = Command::new(program);
    for name in [
        "CREEL_PROJECT",
        "CREEL_LOG",
        "CREEL_STATE_DIR",
        "DATABASE_URL",
        "SUPABASE_URL",
    ] {
        command.env_remove(name);
    }
    command.args(args).output().context("run creel")
}

/// Commands of `creel` in a document, without the program's name.
fn creel_commands(text: &str) -> Vec<Vec<String>> {
    let lines = fenced(text, "sh").into_iter().flatten().map(str::to_owned);
    lines
        .chain(code_spans(text))
        .filter_map(|line| {
            let line = line.replace('…', "x");
            let args = line
                .strip_prefix("target/debug/creel ")
                .or_else(|| line.strip_prefix("creel "))?;
            Some(words(args))
        })
        .collect()
}

#[test]
fn every_path_in_the_documents_exists() -> Result<()> {
    let mut seen_count = 0;
    for (document, text) in documents()? {
        let folder = document.parent().unwrap_or(Path::new("."));
        let linked = links(&text)
            .into_iter()
            .map(|target| (folder.join(&target), target));
        let named = code_spans(&text);
        let named = named.iter().filter_map(|span| repository_path(span));
        let named = named.map(|path| (cluster::repo().join(path), path.to_owned()));
        for (path, name) in linked.chain(named) {
            ensure!(
                path.exists() || is_built(&name)?,
                "{} names {name}, which does not exist",
                document.display()
            );
            seen_count += 1;
        }
    }
    ensure!(
        seen_count > 40,
        "only {seen_count} paths were found: the search itself is broken"
    );
    Ok(())
}

#[test]
fn every_creel_command_in_the_documents_is_understood() -> Result<()> {
    let mut seen_count = 0;
    for (document, text) in documents()? {
        for mut args in creel_commands(&text) {
            // Everything before it is checked, nothing is run.
            args.push("--help".to_owned());
            let output = creel(&args)?;
            ensure!(
                output.status.success(),
                "{}: creel {} is not understood:\n{}",
                document.display(),
                args.join(" "),
                String::from_utf8_lossy(&output.stderr)
            );
            seen_count += 1;
        }
    }
    ensure!(
        seen_count > 20,
        "only {seen_count} commands were found: the search itself is broken"
    );
    Ok(())
}

#[test]
fn every_script_in_the_documents_is_there_and_takes_its_arguments() -> Result<()> {
    for (document, text) in documents()? {
        let lines = fenced(&text, "sh").into_iter().flatten().map(str::to_owned);
        for line in lines.chain(code_spans(&text)) {
            let Some(script) = line.split(' ').next().filter(|word| word.starts_with("scripts/")) else {
                continue;
            };
            let path = cluster::repo().join(script);
            if path.is_dir() {
                continue;
            }
            let syntax = Command::new("bash")
                .arg("-n")
                .arg(&path)
                .status()
                .context("run bash")?;
            ensure!(syntax.success(), "{}: {script} is no script", document.display());
            let args: Vec<_> = words(&line)
                .into_iter()
                .skip(1)
                .chain(["--help".to_owned()])
                .collect();
            let output = match script {
                "scripts/up" => creel(&[vec!["up".to_owned()], args].concat())?,
                // The script builds for minutes before it hands its arguments on.
                "scripts/bench" => Command::new(cluster::built_program("creel-bench")?)
                    .args(args)
                    .output()
                    .context("run creel-bench")?,
                _ => Command::new(&path)
                    .args(args)
                    .output()
                    .context("run the script")?,
            };
            ensure!(
                output.status.success(),
                "{}: {line} is not understood",
                document.display()
            );
        }
    }
    Ok(())
}

#[test]
fn every_block_of_shell_in_the_documents_is_shell() -> Result<()> {
    for (document, text) in documents()? {
        for block in fenced(&text, "sh") {
            let output = Command::new("sh")
                .args(["-n", "-c", &block.join("\n")])
                .output()
                .context("run sh")?;
            ensure!(
                output.status.success(),
                "{}: no shell: {block:?}",
                document.display()
            );
        }
    }
    Ok(())
}

#[test]
fn every_supabase_command_in_the_documents_exists() -> Result<()> {
    let cli = cluster::repo().join("tests/js/node_modules/.bin/supabase");
    ensure!(
        cli.exists(),
        "the Supabase CLI is missing; run: npm install --prefix tests/js"
    );
    for (document, text) in documents()? {
        let lines = fenced(&text, "sh").into_iter().flatten().map(str::to_owned);
        for line in lines
            .chain(code_spans(&text))
            .filter(|line| line.starts_with("supabase "))
        {
            let args: Vec<_> = words(&line)
                .into_iter()
                .skip(1)
                .chain(["--help".to_owned()])
                .collect();
            let output = Command::new(&cli)
                .args(&args)
                .env("DO_NOT_TRACK", "1")
                .output()
                .context("run supabase")?;
            ensure!(
                output.status.success(),
                "{}: {line} is not understood",
                document.display()
            );
        }
    }
    Ok(())
}

#[test]
fn the_documents_list_the_exit_codes_that_the_help_lists() -> Result<()> {
    let help = String::from_utf8(creel(&["--help".to_owned()])?.stdout)?;
    let listed = |line: &str| {
        line.trim()
            .split_once(' ')
            .and_then(|(code, _)| code.parse::<u8>().ok())
    };
    let in_help: BTreeSet<u8> = help
        .lines()
        .skip_while(|line| !line.starts_with("Exit codes"))
        .filter_map(listed)
        .collect();
    let operations = std::fs::read_to_string(cluster::repo().join("docs/operations.md"))?;
    let in_docs: BTreeSet<u8> = operations
        .lines()
        .filter_map(|line| listed(line.strip_prefix("| ")?))
        .collect();
    ensure!(in_help.len() > 5, "the help lists no exit codes:\n{help}");
    ensure!(
        in_help == in_docs,
        "the help lists {in_help:?}, docs/operations.md {in_docs:?}"
    );
    Ok(())
}

#[tokio::test]
async fn every_question_of_an_operator_is_listed_and_can_be_asked() -> Result<()> {
    let operations = std::fs::read_to_string(cluster::repo().join("docs/operations.md"))?;
    let db = TestDb::new().await?;
    let client = db.postgres().await?;
    for entry in std::fs::read_dir(cluster::repo().join("sql/ops")).context("list sql/ops")? {
        let path = entry?.path();
        let name = format!(
            "sql/ops/{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        ensure!(
            operations.contains(&name),
            "docs/operations.md does not list {name}"
        );
        let question = std::fs::read_to_string(&path)?;
        client
            .simple_query(&question)
            .await
            .with_context(|| format!("ask {name}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn every_table_and_function_in_the_documents_exists() -> Result<()> {
    let db = TestDb::new().await?;
    let client = db.postgres().await?;
    for (document, text) in documents()? {
        for span in code_spans(&text) {
            let Some((_, name)) = span.split_once("creel.") else {
                continue;
            };
            if !span.starts_with("creel.") && !span.starts_with("public.") {
                continue;
            }
            let name = name.split(['(', '.', ' ']).next().unwrap_or_default();
            let known = "select exists (select from pg_class c where c.relname = $1 \
                         and c.relnamespace = 'creel'::regnamespace) \
                         or exists (select from pg_proc p where p.proname = $1 \
                         and p.pronamespace = 'creel'::regnamespace)";
            let found: bool = client.query_one(known, &[&name]).await?.get(0);
            ensure!(
                found,
                "{} names {span}, which the database has not",
                document.display()
            );
        }
    }
    Ok(())
}
