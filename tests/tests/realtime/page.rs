//! A page that listens: the published supabase-js in a process of its own.

use std::process::Stdio;
use std::time::Duration;

use creel_local::process;
use creel_tests::cluster::{repo, tools};
use creel_tests::db::User;
use creel_tests::postgrest::Rest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

/// Node starts within a second; joining waits for a slot, which waits for open transactions of the cluster.
pub(crate) const HEAR_LIMIT: Duration = Duration::from_secs(40);

/// How a page listens.
#[derive(Debug, Clone)]
pub(crate) struct Listens<'a> {
    pub(crate) url: String,
    pub(crate) person: Option<&'a User>,
    pub(crate) topic: &'a str,
    pub(crate) config: Value,
    pub(crate) changes: Value,
    pub(crate) broadcasts: Value,
    pub(crate) vsn: &'a str,
}

impl<'a> Listens<'a> {
    /// To all changes of a table.
    pub(crate) fn to_table(person: &'a User, table: &str) -> Self {
        Self {
            changes: json!([{ "event": "*", "schema": "public", "table": table }]),
            ..Self::to_broadcasts(Some(person), "room", json!([]))
        }
    }

    /// To broadcasts of a topic.
    pub(crate) fn to_broadcasts(person: Option<&'a User>, topic: &'a str, broadcasts: Value) -> Self {
        Self {
            url: String::new(),
            person,
            topic,
            config: json!({}),
            changes: json!([]),
            broadcasts,
            vsn: "",
        }
    }
}

/// A page. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Page {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Page {
    pub(crate) async fn open(rest: &Rest, listens: &Listens<'_>) -> Self {
        let js = repo().join("tests/js");
        assert!(
            js.join("node_modules").is_dir(),
            "supabase-js is missing; run: npm install --prefix tests/js"
        );
        let mut command = process::command(tools().node().await.expect("install node"));
        let url = if listens.url.is_empty() {
            rest.url()
        } else {
            listens.url.clone()
        };
        command
            .arg(js.join("realtime.mjs"))
            .env("SUPABASE_URL", url)
            .env("SUPABASE_PUBLISHABLE_KEY", rest.publishable_key())
            .env("TOKEN", listens.person.map_or("", |person| &person.jwt))
            .env("TOPIC", listens.topic)
            .env("CONFIG", listens.config.to_string())
            .env("CHANGES", listens.changes.to_string())
            .env("BROADCASTS", listens.broadcasts.to_string())
            .env("VSN", listens.vsn)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("start a page");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self {
            _child: child,
            input,
            output,
        }
    }

    /// Opens a page and waits until its subscription is told to be good.
    pub(crate) async fn subscribed(rest: &Rest, listens: &Listens<'_>) -> Self {
        let mut page = Self::open(rest, listens).await;
        page.hear("it is subscribed", |said| {
            said["system"] == "Subscribed to PostgreSQL"
        })
        .await;
        page
    }

    /// Has it do something.
    pub(crate) async fn tell(&mut self, command: Value) {
        let line = format!("{command}\n");
        self.input
            .write_all(line.as_bytes())
            .await
            .expect("tell the page");
    }

    /// The next thing that it hears; none at its end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = self.output.next_line().await.expect("read from the page")?;
        Some(serde_json::from_str(&line).expect("a page says JSON"))
    }

    /// Waits until it hears something; panics with all that it heard instead. What it heard before is gone.
    pub(crate) async fn hear(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut heard = Vec::new();
        let waited = tokio::time::timeout(HEAR_LIMIT, async {
            while let Some(said) = self.next().await {
                if wanted(&said) {
                    return Some(said);
                }
                heard.push(said);
            }
            None
        });
        let found = waited.await.ok().flatten();
        found.unwrap_or_else(|| panic!("{what}: the page heard only {heard:#?}"))
    }

    /// Waits for the next change.
    pub(crate) async fn change(&mut self, what: &str) -> Value {
        self.hear(what, |said| said.get("change").is_some()).await["change"].take()
    }
}
