//! An agent on a host, and its documents from both sides.

use creel_core::host_api::{DocChange, DocOp};
use creel_core::status::DocType;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::station::Station;

pub const KEY: &str = "agent:scout:main";

/// Of a text, in hex.
pub fn sha(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// A project with an owner, a host, and an agent that lives there.
pub struct DocStage {
    pub s: Station,
    pub agent: Uuid,
}

impl DocStage {
    pub async fn new() -> Self {
        let s = Station::with(&[KEY]).await;
        let agent = s.agent_id(KEY).await;
        Self { s, agent }
    }

    /// What the host says; answers `status version` of each.
    pub async fn put(&self, changes: &[(DocType, DocOp)]) -> Vec<String> {
        let changes: Vec<_> = changes
            .iter()
            .map(|(doc_type, op)| DocChange {
                agent_id: self.agent,
                doc_type: *doc_type,
                op: op.clone(),
            })
            .collect();
        self.put_raw(&json!(changes)).await
    }

    pub async fn put_raw(&self, changes: &Value) -> Vec<String> {
        let reply = self.try_put(changes).await.expect("put");
        let results = reply["results"].as_array().expect("results");
        assert_eq!(results.len(), changes.as_array().expect("changes").len());
        results
            .iter()
            .map(|r| format!("{} {}", r["status"].as_str().expect("a status"), r["version"]))
            .collect()
    }

    pub async fn try_put(&self, changes: &Value) -> Result<Value, tokio_postgres::Error> {
        let args = json!({ "api": 1, "changes": changes });
        self.s.host.call("put_docs", &args).await
    }

    /// The listing of one document; null when it is not told.
    pub async fn listed(&self, kind: DocType) -> Value {
        let reply = self.list(&json!({})).await;
        let docs = reply["docs"].as_array().expect("docs").clone();
        docs.into_iter()
            .find(|doc| doc["doc_type"] == json!(kind) && doc["agent_id"] == json!(self.agent))
            .unwrap_or(Value::Null)
    }

    pub async fn list(&self, more: &Value) -> Value {
        let mut args = json!({ "api": 1 });
        let members = args.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        self.s.host.call("list_docs", &args).await.expect("list")
    }

    /// The text of a document by its hash, as the host gets it.
    pub async fn fetched(&self, kind: DocType, hash: &str) -> Value {
        let docs = json!([{ "agent_id": self.agent, "doc_type": kind, "sha256": hash }]);
        let args = json!({ "api": 1, "docs": docs });
        let reply = self.s.host.call("fetch_docs", &args).await.expect("fetch");
        reply["docs"][0]["content"].clone()
    }

    /// A function for people, as the project's owner.
    pub async fn ask(&self, function: &str, kind: DocType, more: &Value) -> Value {
        self.ask_as(self.s.f.owner, function, kind, more)
            .await
            .unwrap_or_else(|e| panic!("{function}: {e:?}"))
    }

    pub async fn ask_as(
        &self,
        person: Uuid,
        function: &str,
        kind: DocType,
        more: &Value,
    ) -> Result<Value, tokio_postgres::Error> {
        let mut args = json!({ "project_id": "p1", "agent_key": KEY, "doc_type": kind });
        let members = args.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        let sql = format!("select {function}('{}')", args.to_string().replace('\'', "''"));
        self.s.f.ask_as_person(person, &sql).await
    }

    /// A person writes; answers the new version.
    pub async fn write(&self, kind: DocType, content: &str) -> i32 {
        let written = self.ask("write_doc", kind, &json!({ "content": content })).await;
        assert_eq!(written["ok"], json!(true), "{written}");
        i32::try_from(written["version"].as_i64().expect("a version")).expect("a small number")
    }

    /// What is in `brain_docs`.
    pub async fn row(&self, kind: DocType) -> Value {
        let sql = "select to_jsonb(d) from brain_docs d where agent_key = $1 and doc_type = $2";
        let rows = self.s.f.admin.query(sql, &[&KEY, &kind.as_str()]).await;
        rows.expect("read the row")
            .first()
            .map_or(Value::Null, |row| row.get(0))
    }

    /// `number author reason text` of each version, in order; `side` is said.
    pub async fn versions(&self, kind: DocType) -> Vec<String> {
        let sql =
            "select concat_ws(' ', v.version, v.author_kind, v.reason, case when v.side then 'side' end,
              v.doc_date, left(c.content, 20))
            from brain_doc_versions v join brain_doc_contents c using (project_id, sha256)
            where v.agent_key = $1 and v.doc_type = $2 order by v.version";
        let rows = self.s.f.admin.query(sql, &[&KEY, &kind.as_str()]).await;
        rows.expect("read the versions")
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// The events of documents: kind and detail.
    pub async fn events(&self) -> Vec<(String, Value)> {
        let sql = "select kind, detail from events where kind like 'doc.%' order by id";
        let rows = self.s.f.admin.query(sql, &[]).await.expect("read the events");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Bytes that are counted, and bytes that are there.
    pub async fn usage(&self) -> (i64, i64) {
        let sql = "select coalesce((select size_bytes from creel.doc_usage), 0),
              (select coalesce(sum(octet_length(content)), 0) from brain_doc_contents)::bigint
              + (select coalesce(sum(256 + octet_length(agent_key) + coalesce(octet_length(updated_by), 0)), 0)
                 from brain_doc_versions)::bigint";
        let row = self.s.f.admin.query_one(sql, &[]).await.expect("count");
        (row.get(0), row.get(1))
    }
}

pub fn text(base_version: i32, content: &str) -> DocOp {
    DocOp::Text {
        base_version,
        content: content.to_owned(),
        author: None,
        doc_date: None,
    }
}

pub fn ack(content: &str) -> DocOp {
    DocOp::Ack { sha256: sha(content) }
}

pub fn hold(base_version: i32, content: &str) -> DocOp {
    DocOp::Hold {
        base_version,
        content: content.to_owned(),
    }
}
