//! What `creel docs` promises.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use creel_core::secret::Secret;
use creel_core::status::DocReason;
use creel_tests::cluster;
use creel_tests::db::{Host, TestDb};
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};

use creel_tests::wait::eventually;
use creel_tests::worker::{WorkerHome, WorkerSetup};

use super::{EMAIL, PASSWORD, Person, START, project_api};

/// A project with one agent, and whoever owns it.
struct Stage {
    db: TestDb,
    rest: Rest,
    ann: Person,
}

impl Stage {
    async fn new() -> Result<Self> {
        let (db, rest) = project_api().await?;
        let ann = Person::at(&rest)?;
        ann.signs_in()?;
        ann.gets(&["project", "create", "acme"])?;
        ann.gets(&["agent", "create", "scout"])?;
        Ok(Self { db, rest, ann })
    }

    /// A host on which the agent lives.
    async fn host(&self) -> Result<Host> {
        let host = self.db.host(&["acme"]).await?;
        let moved = "update public.agents set host_id = $1 where agent_key = 'agent:scout:main'";
        self.db.postgres().await?.execute(moved, &[&host.id]).await?;
        Ok(host)
    }

    /// Says something of a document as the host does.
    async fn disk(&self, host: &Host, doc_type: &str, op: Value) -> Result<()> {
        let agent = "select id from public.agents where agent_key = 'agent:scout:main'";
        let agent: uuid::Uuid = self.db.postgres().await?.query_one(agent, &[]).await?.get(0);
        let mut change = json!({ "agent_id": agent, "doc_type": doc_type });
        for (name, value) in op.as_object().context("no object")? {
            change[name] = value.clone();
        }
        let client = self.db.connect_as(&host.role, &host.password).await?;
        let put = json!({ "api": 1, "changes": [change] });
        let answer: Value = client
            .query_one("select public.put_docs($1)", &[&put])
            .await?
            .get(0);
        ensure!(answer["results"][0]["status"] == "done", "{answer}");
        Ok(())
    }

    /// Somebody else, with a role in the project.
    async fn other(&self, email: &str, role: Option<&str>) -> Result<Person> {
        self.rest.users().save(email, &Secret::new(PASSWORD)).await?;
        if let Some(role) = role {
            self.ann
                .gets(&["project", "members", "add", email, "--role", role])?;
        }
        let mut other = Person::at(&self.rest)?;
        other.email = email.to_owned();
        other.signs_in()?;
        Ok(other)
    }

    /// Writes a text without an editor.
    fn writes(&self, document: &str, text: &str) -> Result<Value> {
        let file = self.ann.home.path().join("text");
        fs::write(&file, text)?;
        self.ann
            .gets(&["docs", "edit", "scout", document, "--file", "text"])
    }

    fn text(&self, document: &str) -> Result<String> {
        Ok(String::from_utf8(
            self.ann.types(&["docs", "show", "scout", document])?.stdout,
        )?)
    }

    /// An editor that does what a script says; `$1` is the file, and `creel` the program.
    fn editor(&self, name: &str, script: &str) -> Result<String> {
        let path = self.ann.home.path().join(name);
        let creel = cluster::built_program("creel")?;
        fs::write(
            &path,
            format!("#!/bin/sh\nset -eu\ncreel='{}'\n{script}\n", creel.display()),
        )?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        path.to_str().map(str::to_owned).context("no text")
    }

    /// Edits a document with an editor.
    fn edits(&self, document: &str, editor: &str, args: &[&str]) -> Result<Output> {
        let args = [&["docs", "edit", "scout", document], args].concat();
        self.ann
            .command(&args)?
            .env("VISUAL", editor)
            .output()
            .context("run creel")
    }
}

fn said(output: &Output) -> String {
    format!(
        "{:?} {} {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The files beneath a folder, with what they have.
fn files(folder: &std::path::Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push((path.clone(), fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_document_can_be_seen_compared_and_had_back() -> Result<()> {
    let stage = Stage::new().await?;
    let ann = &stage.ann;
    let written = stage.writes("soul", "one\ntwo\nthree\n")?;
    ensure!(
        written["changed"] == json!(true)
            && written["version"] == 1
            && written["host_online"] == json!(false),
        "{written}"
    );
    stage.writes("SOUL.md", "one\n2\nthree\n")?;
    let again = stage.writes("soul", "one\n2\nthree\n")?;
    ensure!(
        again["changed"] == json!(false) && again["version"] == 2,
        "{again}"
    );

    ensure!(stage.text("soul")? == "one\n2\nthree\n");
    let first = ann.gets(&["docs", "show", "scout", "soul", "--version", "1"])?;
    ensure!(first["doc"]["content"] == "one\ntwo\nthree\n", "{first}");
    let docs = ann.gets(&["docs", "list", "scout"])?;
    ensure!(
        docs["docs"][0]["doc_type"] == "soul" && docs["docs"][0]["sync_state"] == "waiting",
        "{docs}"
    );
    let history = ann.gets(&["docs", "history", "scout", "soul"])?;
    let versions = history["versions"].as_array().context("no versions")?;
    ensure!(
        versions.len() == 2 && versions[0]["version"] == 2 && versions[1]["author_kind"] == "person",
        "{history}"
    );
    let before = ann.gets(&[
        "docs", "history", "scout", "soul", "--before", "2", "--limit", "5",
    ])?;
    ensure!(before["versions"].as_array().map(Vec::len) == Some(1), "{before}");

    let expected = "--- version 1\n+++ page (version 2)\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";
    for args in [vec![], vec!["1"], vec!["1", "page"], vec!["previous"]] {
        let args = [vec!["docs", "diff", "scout", "soul"], args].concat();
        let output = ann.types(&args)?;
        ensure!(
            String::from_utf8(output.stdout.clone())? == expected,
            "{args:?}: {}",
            said(&output)
        );
    }
    let disk = ann.gets(&["docs", "diff", "scout", "soul", "disk"])?;
    ensure!(
        disk["diff"].as_str().is_some_and(|diff| diff.contains("+one")),
        "{disk}"
    );
    let same = ann.types(&["docs", "diff", "scout", "soul", "2", "page"])?;
    ensure!(
        same.stdout.is_empty() && said(&same).contains("the same"),
        "{}",
        said(&same)
    );
    let colored = ann.types(&["docs", "diff", "scout", "soul", "--color", "always"])?;
    ensure!(said(&colored).contains("\u{1b}[31m-two"), "{}", said(&colored));

    let restored = ann.gets(&["docs", "restore", "scout", "soul", "1"])?;
    ensure!(
        restored["version"] == 3 && restored["restored"] == 1,
        "{restored}"
    );
    ensure!(stage.text("soul")? == "one\ntwo\nthree\n");
    let history = ann.gets(&["docs", "history", "scout", "soul"])?;
    ensure!(
        history["versions"][0]["reason"] == DocReason::Restored.as_str(),
        "{history}"
    );
    ann.gets(&["docs", "pin", "scout", "soul", "2"])?;
    let pinned = "select pinned from public.brain_doc_versions where version = 2";
    let client = stage.db.postgres().await?;
    ensure!(client.query_one(pinned, &[]).await?.get::<_, bool>(0));
    ann.gets(&["docs", "pin", "scout", "soul", "2", "--unpin"])?;
    ensure!(!client.query_one(pinned, &[]).await?.get::<_, bool>(0));

    // What is not there is said, with where to look.
    for args in [
        ["docs", "show", "nobody", "soul"].as_slice(),
        &["docs", "show", "scout", "soul", "--version", "99"],
        &["docs", "restore", "scout", "soul", "99"],
        &["docs", "diff", "scout", "soul", "held"],
        &["docs", "export", "nobody", "--out", "copy"],
    ] {
        let (code, value) = ann.asks(args)?;
        ensure!(
            code == 4 && value["error"]["hint"].is_string(),
            "{args:?}: {code} {value}"
        );
    }
    for args in [
        ["docs", "show", "../x", "soul"].as_slice(),
        &["docs", "show", "scout", "heartbeat"],
        &["docs", "diff", "scout", "soul", "yesterday"],
        &["docs", "resolve", "scout", "soul", "--take", "both"],
    ] {
        let (code, value) = ann.asks(args)?;
        ensure!(code == 2, "{args:?}: {code} {value}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_gets_the_text_and_what_it_leaves_unchanged_is_not_written() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("memory_long", "old\n")?;
    let seen = stage.ann.home.path().join("seen");
    let editor = stage.editor(
        "append",
        &format!("cp \"$1\" '{}'\nprintf 'new\\n' >> \"$1\"", seen.display()),
    )?;
    let output = stage.edits("memory_long", &editor, &[])?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(fs::read_to_string(&seen)? == "old\n" && stage.text("memory_long")? == "old\nnew\n");
    ensure!(said(&output).contains("version 2"), "{}", said(&output));

    let output = stage.edits("memory_long", "true", &["--json"])?;
    let value: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(value["changed"] == json!(false), "{value}");
    let history = stage.ann.gets(&["docs", "history", "scout", "memory"])?;
    ensure!(
        history["versions"].as_array().map(Vec::len) == Some(2),
        "{history}"
    );

    // A document that nobody wrote yet begins with nothing.
    let output = stage.edits("user", &editor, &[])?;
    ensure!(
        output.status.success() && stage.text("user")? == "new\n",
        "{}",
        said(&output)
    );
    // An emptied file is an accident, unless it is said to be none.
    let empties = stage.editor("empties", ": > \"$1\"")?;
    let output = stage.edits("user", &empties, &[])?;
    ensure!(
        output.status.code() == Some(1) && said(&output).contains("--allow-empty"),
        "{}",
        said(&output)
    );
    ensure!(stage.text("user")? == "new\n");
    let output = stage.edits("user", &empties, &["--allow-empty"])?;
    ensure!(
        output.status.success() && stage.text("user")?.is_empty(),
        "{}",
        said(&output)
    );
    // Nothing of it is left where it was written.
    let left = files(&stage.ann.home.path().join("state/creel/edits"))?;
    ensure!(
        left.iter().all(|(path, _)| !path.ends_with("USER.md")),
        "{left:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_is_a_program_with_arguments_and_no_line_of_a_shell() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "old\n")?;
    let words = stage.ann.home.path().join("words");
    let editor = stage.editor(
        "has blanks",
        &format!(
            "for word in \"$@\"; do printf '%s\\n' \"$word\"; done > '{}'",
            words.display()
        ),
    )?;
    let command = format!("'{editor}' 'a b' $HOME ; touch pwned");
    let output = stage.edits("soul", &command, &[])?;
    ensure!(output.status.success(), "{}", said(&output));
    let words = fs::read_to_string(words)?;
    let words: Vec<_> = words.lines().collect();
    ensure!(words[..5] == ["a b", "$HOME", ";", "touch", "pwned"], "{words:?}");
    ensure!(words[5].ends_with("SOUL.md") && words.len() == 6, "{words:?}");
    ensure!(!stage.ann.home.path().join("pwned").exists());

    // VISUAL goes before EDITOR, and one that is not there is said before anything is asked for.
    let mut edit = stage.ann.command(&["docs", "edit", "scout", "soul", "--json"])?;
    let output = edit
        .env("VISUAL", " ")
        .env("EDITOR", "/nowhere/editor")
        .output()?;
    let value: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        output.status.code() == Some(1) && value["error"]["code"] == "editor",
        "{}",
        said(&output)
    );
    let output = stage.edits("soul", "ed 'open", &[])?;
    ensure!(output.status.code() == Some(2), "{}", said(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_meanwhile_is_merged() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "one\ntwo\nthree\n")?;
    // While the editor is open, somebody else changes another line.
    let editor = stage.editor(
        "merge",
        "printf 'one\\ntwo\\nTHREE\\n' > theirs\n\"$creel\" docs edit scout soul --file theirs >/dev/null\n\
         printf 'ONE\\ntwo\\nthree\\n' > \"$1\"",
    )?;
    let output = stage.edits("soul", &editor, &["--json"])?;
    let value: Value = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    ensure!(
        value["merged"] == json!(true) && value["version"] == 3 && said(&output).contains("merged"),
        "{}",
        said(&output)
    );
    ensure!(stage.text("soul")? == "ONE\ntwo\nTHREE\n");

    // The same by a file and the version that it was based on.
    fs::write(stage.ann.home.path().join("text"), "one\n2\nthree\n")?;
    let by_file = [
        "docs",
        "edit",
        "scout",
        "soul",
        "--file",
        "text",
        "--base-version",
        "1",
    ];
    let (code, value) = stage.ann.asks(&by_file)?;
    ensure!(
        code == 1 && value["error"]["code"] == "conflict" && value["current"]["version"] == 3,
        "the lines touch: {code} {value}"
    );
    fs::write(stage.ann.home.path().join("text"), "one\ntwo\nthree\nfour\n")?;
    let (code, value) = stage.ann.asks(&by_file)?;
    ensure!(code == 1, "{code} {value}");
    stage.writes("soul", "ONE\ntwo\nthree\n")?;
    fs::write(stage.ann.home.path().join("text"), "one\ntwo\nthree\nfour\n")?;
    let merged = stage.ann.gets(&by_file)?;
    ensure!(merged["merged"] == json!(true), "{merged}");
    ensure!(stage.text("soul")? == "ONE\ntwo\nthree\nfour\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_keeps_the_text_and_opens_again_with_both() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "one\ntwo\n")?;
    let torn = stage.ann.home.path().join("torn");
    // First everybody changes the first line; then a person looks at both, and decides.
    let script = |then: &str| {
        format!(
            "if grep -q '^<<<<<<<' \"$1\"; then cp \"$1\" '{}'; {then}; else\n\
             printf 'theirs\\ntwo\\n' > theirs; \"$creel\" docs edit scout soul --file theirs >/dev/null\n\
             printf 'mine\\ntwo\\n' > \"$1\"; fi",
            torn.display()
        )
    };
    let undecided = stage.editor("undecided", &script("true"))?;
    let output = stage.edits("soul", &undecided, &[])?;
    ensure!(
        output.status.code() == Some(1) && said(&output).contains("marks of a conflict"),
        "{}",
        said(&output)
    );
    let both = fs::read_to_string(&torn)?;
    ensure!(
        both == "<<<<<<< ours\nmine\n=======\ntheirs\n>>>>>>> theirs\ntwo\n",
        "{both}"
    );
    ensure!(stage.text("soul")? == "theirs\ntwo\n", "nothing is saved");
    let kept = |stage: &Stage| -> Result<Vec<(PathBuf, String)>> {
        let mut all = files(&stage.ann.home.path().join("state/creel/edits"))?;
        all.retain(|(path, _)| path.to_string_lossy().contains("kept-"));
        Ok(all)
    };
    let own = kept(&stage)?;
    ensure!(own.len() == 1 && own[0].1 == "mine\ntwo\n", "{own:?}");
    ensure!(
        said(&output).contains(&own[0].0.display().to_string()),
        "{}",
        said(&output)
    );

    // The same command goes on with both.
    let decided = stage.editor("decided", &script("printf 'both\\ntwo\\n' > \"$1\""))?;
    let output = stage.edits("soul", &decided, &[])?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(stage.text("soul")? == "both\ntwo\n" && kept(&stage)?.len() == 1);

    // And at once where the person decides at once.
    stage.writes("soul", "one\ntwo\n")?;
    let output = stage.edits("soul", &decided, &["--json"])?;
    let value: Value = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    ensure!(
        value["changed"] == json!(true) && value["kept"].is_string(),
        "{value}"
    );
    ensure!(stage.text("soul")? == "both\ntwo\n" && kept(&stage)?.len() == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_died_editor_loses_nothing_and_neither_does_a_died_creel() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "old\n")?;
    for (name, dies) in [
        ("itself", "kill -9 $$"),
        ("fails", "exit 3"),
        ("creel", "kill -9 $PPID"),
    ] {
        let text = format!("written before {name} died\n");
        let editor = stage.editor(
            name,
            &format!("printf '{}' > \"$1\"; {dies}", text.replace('\n', "\\n")),
        )?;
        let output = stage.edits("soul", &editor, &[])?;
        ensure!(
            !output.status.success() && stage.text("soul")? != text,
            "{}",
            said(&output)
        );
        if name != "creel" {
            ensure!(
                said(&output).contains("your text is kept in")
                    && said(&output).contains("creel docs edit scout soul"),
                "{}",
                said(&output)
            );
        }
        // It is there again, and an editor that ends well saves it.
        let output = stage.edits("soul", "true", &[])?;
        ensure!(
            output.status.success() && said(&output).contains("not saved") && stage.text("soul")? == text,
            "{}",
            said(&output)
        );
    }
    // Nobody wrote anything: there is nothing to keep.
    let output = stage.edits("soul", "false", &[])?;
    ensure!(
        output.status.code() == Some(1) && !said(&output).contains("kept in"),
        "{}",
        said(&output)
    );

    // What cannot be saved stays, too; and whoever wants to begin anew has the other text beside it.
    let binary = stage.editor("binary", "printf 'a\\377b' > \"$1\"")?;
    let output = stage.edits("soul", &binary, &[])?;
    ensure!(
        output.status.code() == Some(1) && said(&output).contains("UTF-8"),
        "{}",
        said(&output)
    );
    let away = stage.editor("away", "printf 'new\\n' >> \"$1\"")?;
    let mut edit = stage
        .ann
        .command(&["docs", "edit", "scout", "soul", "--afresh"])?;
    let output = edit.env("VISUAL", &away).output()?;
    ensure!(
        output.status.success() && said(&output).contains("is kept"),
        "{}",
        said(&output)
    );
    ensure!(stage.text("soul")?.ends_with("died\nnew\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_an_editor_is_the_editors() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "old\n")?;
    let editor = stage.editor("interrupts", "kill -INT $PPID; printf 'new\\n' > \"$1\"")?;
    let output = stage.edits("soul", &editor, &[])?;
    ensure!(
        output.status.success() && stage.text("soul")? == "new\n",
        "{}",
        said(&output)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_does_not_answer_costs_no_word() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "old\n")?;
    // The owner's role is taken away while the editor is open.
    let owner = stage.other("bob@example.com", Some("owner")).await?;
    let takes = format!(
        "HOME='{home}' XDG_STATE_HOME='{home}/state' \"$creel\" project members --project acme remove {EMAIL} >/dev/null\n\
         printf 'mine\\n' > \"$1\"",
        home = owner.home.path().display()
    );
    let output = stage.edits("soul", &stage.editor("takes", &takes)?, &[])?;
    ensure!(
        matches!(output.status.code(), Some(3 | 4)) && said(&output).contains("your text is kept in"),
        "{}",
        said(&output)
    );
    owner.gets(&[
        "project",
        "members",
        "--project",
        "acme",
        "add",
        EMAIL,
        "--role",
        "editor",
    ])?;
    let output = stage.edits("soul", "true", &[])?;
    ensure!(
        output.status.success() && stage.text("soul")? == "mine\n",
        "{}",
        said(&output)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_or_in_conflict_is_shown_and_decided() -> Result<()> {
    let stage = Stage::new().await?;
    let ann = &stage.ann;
    let host = stage.host().await?;
    stage.writes("soul", "page\n")?;
    stage
        .disk(
            &host,
            "soul",
            json!({ "op": "hold", "base_version": 1, "content": "template\n" }),
        )
        .await?;
    let docs = ann.gets(&["docs", "list"])?;
    ensure!(
        docs["docs"][0]["sync_state"] == "held" && docs["docs"][0]["held_version"] == 2,
        "{docs}"
    );
    let text = said(&ann.types(&["docs", "list"])?);
    ensure!(text.contains("held back as version 2"), "{text}");
    let diff = ann.gets(&["docs", "diff", "scout", "soul"])?;
    ensure!(
        diff["from"]["version"] == 1
            && diff["to"]["version"] == 2
            && diff["diff"].to_string().contains("+template"),
        "{diff}"
    );
    let disk = ann.gets(&["docs", "diff", "scout", "soul", "disk", "page"])?;
    ensure!(disk["diff"].to_string().contains("-template"), "{disk}");
    let taken = ann.gets(&["docs", "resolve", "scout", "soul", "--take", "disk"])?;
    ensure!(
        taken["resolved"] == json!(true) && stage.text("soul")? == "template\n",
        "{taken}"
    );
    let again = ann.types(&["docs", "resolve", "scout", "soul", "--take", "page"])?;
    ensure!(said(&again).contains("nothing to decide"), "{}", said(&again));
    ensure!(stage.text("soul")? == "template\n");

    stage.writes("user", "page\n")?;
    stage
        .disk(
            &host,
            "user",
            json!({ "op": "conflict", "base_version": 1, "content": "disk\n" }),
        )
        .await?;
    let text = said(&ann.types(&["docs", "list", "scout"])?);
    ensure!(text.contains("version 1 lost against the disk"), "{text}");
    let diff = ann.gets(&["docs", "diff", "scout", "user"])?;
    ensure!(
        diff["from"]["version"] == 1 && diff["diff"].to_string().contains("+disk"),
        "{diff}"
    );
    let history = said(&ann.types(&["docs", "history", "scout", "user"])?);
    ensure!(
        history.contains("lost against the disk") && history.contains("current"),
        "{history}"
    );
    // Whoever edits is told of it.
    let output = stage.edits("user", "true", &[])?;
    ensure!(said(&output).contains("Version 1 lost"), "{}", said(&output));
    ann.gets(&["docs", "resolve", "scout", "user", "--take", "page"])?;
    ensure!(stage.text("user")? == "page\n");
    let docs = ann.gets(&["docs", "list", "scout"])?;
    ensure!(
        docs["docs"]
            .as_array()
            .is_some_and(|docs| docs.iter().all(|doc| doc["conflict_version"].is_null()))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_erases_and_only_if_it_is_meant() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "password: hunter2\n")?;
    stage.writes("soul", "clean\n")?;
    let editor = stage.other("bob@example.com", Some("editor")).await?;
    let erase = [
        "docs",
        "erase",
        "scout",
        "soul",
        "--version",
        "1",
        "--project",
        "acme",
    ];
    let (code, value) = editor.asks(&[&erase[..], &["--yes"]].concat())?;
    ensure!(code == 3 && value["error"]["hint"].is_string(), "{code} {value}");
    let (code, value) = stage.ann.asks(&erase)?;
    ensure!(
        code == 2 && value["error"]["hint"] == "say --yes",
        "nobody is asked: {code} {value}"
    );
    let (code, value) = stage
        .ann
        .asks(&["docs", "erase", "scout", "soul", "--version", "2", "--yes"])?;
    ensure!(
        code == 1 && value["error"]["code"] == "PT409",
        "the current one: {code} {value}"
    );

    let erased = stage.ann.gets(&[&erase[..], &["--yes"]].concat())?;
    ensure!(erased["erased"] == 1, "{erased}");
    let (code, value) = stage
        .ann
        .asks(&["docs", "show", "scout", "soul", "--version", "1"])?;
    ensure!(code == 4, "{code} {value}");
    let found = "select count(*) from public.brain_doc_contents where content like '%hunter2%'";
    let client = stage.db.postgres().await?;
    ensure!(client.query_one(found, &[]).await?.get::<_, i64>(0) == 0);

    stage.ann.gets(&["docs", "erase", "scout", "soul", "--yes"])?;
    ensure!(stage.text("soul")?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_sees_no_word_and_a_viewer_writes_none() -> Result<()> {
    let stage = Stage::new().await?;
    stage.writes("soul", "a secret of the project\n")?;
    let stranger = stage.other("eve@example.com", None).await?;
    for args in [
        ["list"].as_slice(),
        &["show", "scout", "soul"],
        &["history", "scout", "soul"],
        &["diff", "scout", "soul"],
        &["restore", "scout", "soul", "1"],
        &["resolve", "scout", "soul", "--take", "page"],
        &["pin", "scout", "soul", "1"],
        &["erase", "scout", "soul", "--yes"],
        &["export", "--out", "copy"],
        &["edit", "scout", "soul", "--file", "text"],
    ] {
        fs::write(stranger.home.path().join("text"), "mine now\n")?;
        let (code, value) = stranger.asks(&[&["docs"], args, &["--project", "acme"]].concat())?;
        ensure!(
            code == 4 && !value.to_string().contains("secret of"),
            "{args:?}: {code} {value}"
        );
    }
    ensure!(!stranger.home.path().join("copy").exists());

    let viewer = stage.other("vic@example.com", Some("viewer")).await?;
    ensure!(viewer.gets(&["docs", "show", "scout", "soul"])?["doc"]["version"] == 1);
    for args in [
        ["restore", "scout", "soul", "1"].as_slice(),
        &["pin", "scout", "soul", "1"],
        &["edit", "scout", "soul", "--file", "text"],
    ] {
        fs::write(viewer.home.path().join("text"), "mine now\n")?;
        let (code, value) = viewer.asks(&[&["docs"], args].concat())?;
        ensure!(code == 3, "{args:?}: {code} {value}");
    }
    ensure!(stage.text("soul")? == "a secret of the project\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_text_and_writes_over_none() -> Result<()> {
    let stage = Stage::new().await?;
    let ann = &stage.ann;
    stage.writes("soul", "soul 1\n")?;
    stage.writes("soul", "soul 2\r\nno end")?;
    stage.writes("memory_long", "🦉 memory\n")?;
    // Whoever made this row meant no good.
    let hostile = "insert into public.brain_docs (project_id, agent_key, doc_type, content) \
                   values ('acme', '../../../tmp/x', 'soul', 'hostile')";
    stage.db.postgres().await?.execute(hostile, &[]).await?;

    let done = ann.gets(&["docs", "export", "--out", "copy", "--history"])?;
    ensure!(done["documents"] == 3 && done["versions"] == 4, "{done}");
    let copy = ann.home.path().join("copy");
    let read = |name: &str| fs::read_to_string(copy.join(name)).with_context(|| name.to_owned());
    ensure!(read("scout/SOUL.md")? == "soul 2\r\nno end");
    ensure!(read("scout/MEMORY.md")? == "🦉 memory\n");
    ensure!(read("scout/history/soul/000001.md")? == "soul 1\n");
    ensure!(read("scout/history/soul/000002.md")? == "soul 2\r\nno end");
    let list: Value = serde_json::from_str(&read("scout/history/soul/versions.json")?)?;
    ensure!(list["versions"][1]["version"] == 1, "{list}");
    let list: Value = serde_json::from_str(&read("scout/docs.json")?)?;
    ensure!(list["docs"][1]["file"] == "SOUL.md", "{list}");
    let names: Vec<_> = fs::read_dir(&copy)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    ensure!(
        names.len() == 2,
        "an agent has a folder of its own, here: {names:?}"
    );

    // The same again has nothing to do; another text is in the way, and then nothing is written.
    let again = ann.gets(&["docs", "export", "--out", "copy", "--history"])?;
    ensure!(
        again["written"] == 0 && again["unchanged"].as_u64() > Some(8),
        "{again}"
    );
    fs::write(copy.join("scout/MEMORY.md"), "mine\n")?;
    stage.writes("soul", "soul 3\n")?;
    let (code, value) = ann.asks(&["docs", "export", "scout", "--out", "copy"])?;
    ensure!(code == 1 && value["error"]["code"] == "exists", "{code} {value}");
    ensure!(
        value["files"]
            .as_array()
            .is_some_and(|files| files.contains(&json!("scout/MEMORY.md"))),
        "{value}"
    );
    ensure!(read("scout/SOUL.md")? == "soul 2\r\nno end" && read("scout/MEMORY.md")? == "mine\n");
    ann.gets(&["docs", "export", "scout", "--out", "copy", "--force"])?;
    ensure!(read("scout/SOUL.md")? == "soul 3\n" && read("scout/MEMORY.md")? == "🦉 memory\n");

    let outside = ann.home.path().join("outside");
    fs::create_dir(&outside)?;
    symlink(&outside, ann.home.path().join("link"))?;
    fs::create_dir(ann.home.path().join("linked"))?;
    symlink(&outside, ann.home.path().join("linked/scout"))?;
    for folder in ["link", "linked"] {
        for force in [["--"].as_slice(), &["--force"]] {
            let args = [
                &["docs", "export", "--out", folder][..],
                &force[..usize::from(force[0] != "--")],
            ]
            .concat();
            let (code, value) = ann.asks(&args)?;
            ensure!(
                code == 1 && value["error"]["hint"].is_string(),
                "{folder}: {code} {value}"
            );
        }
    }
    ensure!(fs::read_dir(&outside)?.count() == 0, "it went through a link");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_here_is_on_the_hosts_disk_and_what_the_agent_writes_is_shown_here() -> Result<()> {
    let (db, rest) = project_api().await?;
    let ann = Person::at(&rest)?;
    ann.signs_in()?;
    ann.gets(&["project", "create", "acme"])?;
    let host = db.host(&["acme"]).await?;
    // The worker ends before the database does.
    let stage = Stage { db, rest, ann };
    let home = WorkerHome::new()?;
    fs::create_dir_all(home.openclaw_state())?;
    let setup = WorkerSetup::new(&host.url, cluster::built_program("openclaw-stand-in")?);
    let _worker = home.start(&setup)?;
    let made = stage.ann.gets(&["agent", "create", "scout", "--wait"])?;
    let workspace = PathBuf::from(made["result"]["workspace"].as_str().context("no workspace")?);

    let before = stage.text("soul")?;
    ensure!(!before.is_empty() && fs::read_to_string(workspace.join("SOUL.md"))? == before);
    let editor = stage.editor("append", "printf 'a line of the page\\n' >> \"$1\"")?;
    let output = stage.edits("soul", &editor, &[])?;
    ensure!(
        output.status.success() && said(&output).contains("the disk gets it now"),
        "{}",
        said(&output)
    );
    eventually("the line is on the disk", START, async || {
        fs::read_to_string(workspace.join("SOUL.md")).is_ok_and(|text| text.ends_with("a line of the page\n"))
    })
    .await;

    let memory = workspace.join("MEMORY.md");
    let text = fs::read_to_string(&memory)? + "a line of the agent\n";
    fs::write(&memory, &text)?;
    eventually("the line is on the page", START, async || {
        stage.text("memory").is_ok_and(|shown| shown == text)
    })
    .await;
    let history = stage.ann.gets(&["docs", "history", "scout", "memory"])?;
    ensure!(history["versions"][0]["author_kind"] == "agent", "{history}");

    // A file that is gone takes nothing with it, and comes back when a person says so.
    fs::remove_file(&memory)?;
    eventually("it is held back", START, async || {
        let docs = stage.ann.gets(&["docs", "list", "scout"]).unwrap_or_default();
        let docs = docs["docs"].as_array().cloned().unwrap_or_default();
        docs.iter()
            .any(|doc| doc["doc_type"] == "memory_long" && doc["sync_state"] == "held")
    })
    .await;
    ensure!(stage.text("memory")? == text && !memory.exists());
    stage
        .ann
        .gets(&["docs", "resolve", "scout", "memory", "--take", "page"])?;
    eventually("the text is on the disk again", START, async || {
        fs::read_to_string(&memory).is_ok_and(|found| found == text)
    })
    .await;

    stage.ann.gets(&["docs", "erase", "scout", "memory", "--yes"])?;
    eventually("the text is gone from the disk, too", START, async || {
        fs::read_to_string(&memory).is_ok_and(|found| found.is_empty())
    })
    .await;
    Ok(())
}
