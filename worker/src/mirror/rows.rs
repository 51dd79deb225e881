//! The rows, as the mirror sees them.

use async_trait::async_trait;
use creel_core::host_api::{
    API, DOCS_CALL_MAX, DOCS_CALL_MAX_BYTES, DocChange, DocOp, DocResult, DocText, FetchDocsReply,
    FetchDocsRequest, ListDocsReply, ListDocsRequest, ListedDoc, PutDocsReply, PutDocsRequest,
};
use jiff::civil::Date;
use uuid::Uuid;

use super::plan::Row;
use crate::workspace::TextHash;

/// Of how many agents is asked at once.
const AGENTS_MAX: usize = 500;

/// The host functions that the mirror calls.
#[async_trait]
pub trait Rows: Send + Sync {
    /// `list_docs`.
    async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply>;
    /// `fetch_docs`.
    async fn fetch(&self, request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply>;
    /// `put_docs`.
    async fn put(&self, request: &PutDocsRequest) -> anyhow::Result<PutDocsReply>;
}

/// Asks for the rows of these agents, as they are now.
pub(super) async fn list_all(rows: &dyn Rows, agents: &[Uuid]) -> anyhow::Result<Vec<ListDocsReply>> {
    let mut replies = Vec::new();
    for agents in agents.chunks(AGENTS_MAX) {
        let request = ListDocsRequest {
            api: API,
            since: None,
            agents: Some(agents.to_vec()),
        };
        replies.push(rows.list(&request).await?);
    }
    Ok(replies)
}

/// Asks for texts; those that are not there any more are left away.
pub(super) async fn fetch_all(
    rows: &dyn Rows,
    mut wanted: &[DocText],
) -> anyhow::Result<Vec<(DocText, String)>> {
    let mut texts = Vec::new();
    while !wanted.is_empty() {
        let now = &wanted[..wanted.len().min(DOCS_CALL_MAX)];
        let request = FetchDocsRequest {
            api: API,
            docs: now.to_vec(),
        };
        let reply = rows.fetch(&request).await?;
        let told = now.len().saturating_sub(reply.left);
        anyhow::ensure!(told > 0, "the database answers no text that it was asked for");
        wanted = &wanted[told..];
        texts.extend(
            reply
                .docs
                .into_iter()
                .filter_map(|fetched| Some((fetched.text, fetched.content?))),
        );
    }
    Ok(texts)
}

/// Tells changes; answers what became of each, in their order.
pub(super) async fn put_all(rows: &dyn Rows, changes: &[DocChange]) -> anyhow::Result<Vec<DocResult>> {
    let mut results = Vec::new();
    let mut rest = changes;
    while !rest.is_empty() {
        let now = &rest[..fitting(rest)];
        let request = PutDocsRequest {
            api: API,
            changes: now.to_vec(),
        };
        let reply = rows.put(&request).await?;
        anyhow::ensure!(
            reply.results.len() == now.len(),
            "the database answers as many results as it was told changes"
        );
        results.extend(reply.results);
        rest = &rest[now.len()..];
    }
    Ok(results)
}

/// How many of them one call takes; one at least.
fn fitting(changes: &[DocChange]) -> usize {
    let mut size_bytes = 0;
    let fits = |change: &&DocChange| {
        size_bytes += text_bytes(&change.op);
        size_bytes <= DOCS_CALL_MAX_BYTES
    };
    changes.iter().take(DOCS_CALL_MAX).take_while(fits).count().max(1)
}

fn text_bytes(op: &DocOp) -> usize {
    match op {
        DocOp::Ack { .. } | DocOp::Note { .. } => 0,
        DocOp::Text { content, .. }
        | DocOp::Conflict { content, .. }
        | DocOp::Hold { content, .. }
        | DocOp::Day { content, .. }
        | DocOp::KeepDay { content, .. } => content.len(),
        DocOp::Merge {
            content,
            disk_content,
            ..
        } => content.len() + disk_content.len(),
    }
}

/// A row as it was listed.
#[derive(Debug, Clone)]
pub(super) struct RowNow {
    pub(super) row: Row,
    pub(super) day: Option<Date>,
    pub(super) days: Vec<(Date, TextHash)>,
    pub(super) note: Option<String>,
}

impl RowNow {
    pub(super) fn absent() -> Self {
        Self {
            row: Row::absent(),
            day: None,
            days: Vec::new(),
            note: None,
        }
    }

    pub(super) fn read(doc: &ListedDoc) -> anyhow::Result<Self> {
        let hashes = |texts: &[String]| -> anyhow::Result<Vec<TextHash>> {
            texts.iter().map(|text| Ok(text.parse()?)).collect()
        };
        let maybe = |text: &Option<String>| -> anyhow::Result<Option<TextHash>> {
            Ok(text.as_deref().map(str::parse).transpose()?)
        };
        let common = maybe(&doc.disk_sha256)?;
        let days = doc.days.iter().map(|day| Ok((day.doc_date, day.sha256.parse()?)));
        Ok(Self {
            row: Row {
                version: doc.version,
                text: doc.sha256.parse()?,
                common: common.unwrap_or_else(TextHash::empty),
                is_known: common.is_some(),
                is_erased: doc.disk_erased,
                unseen: hashes(&doc.unseen)?,
                state: doc.sync_state,
                held: maybe(&doc.held_sha256)?,
                templates: hashes(&doc.templates)?,
            },
            day: doc.doc_date,
            days: days.collect::<anyhow::Result<_>>()?,
            note: doc.sync_note.clone(),
        })
    }
}
