//! A job's view of the database, over the main connection.

use std::time::Duration;

use async_trait::async_trait;
use backon::BackoffBuilder;
use creel_core::host_api::{
    API, Doc, ProgressReply, ProgressRequest, ReadDocsReply, ReadDocsRequest, RecordDocsReply,
    RecordDocsRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::job::JobRows;
use crate::lease::Lease;
use crate::transport::{CALL_LIMIT, Link, retry_delays};

/// The rows of one held item. A cut connection is waited out for as long as the lease lasts: each of
/// these calls has the same effect when it is carried out twice.
pub(crate) struct HeldRows {
    link: Link,
    lease: Lease,
}

impl HeldRows {
    /// The rows of the item that `lease` is for.
    pub(crate) fn new(link: Link, lease: Lease) -> Self {
        Self { link, lease }
    }

    /// `None`: the item is no longer held.
    async fn call<R: DeserializeOwned + Send>(
        &self,
        function: &str,
        argument: &(impl Serialize + Sync),
    ) -> anyhow::Result<Option<R>> {
        let mut delays = retry_delays().build();
        let repeated = async {
            loop {
                let session = self.link.session().await;
                match session.call(function, argument, CALL_LIMIT).await {
                    Err(error) if error.is_passing() => {
                        let error = error.chain();
                        tracing::debug!(error, "failed to call {function}, trying again: {error}");
                    }
                    answer => return answer,
                }
                let delay = delays.next().unwrap_or(Duration::ZERO);
                tokio::time::sleep(delay).await;
            }
        };
        tokio::select! {
            answer = repeated => Ok(answer?),
            () = self.lease.lost() => Ok(None),
        }
    }
}

#[async_trait]
impl JobRows for HeldRows {
    async fn progress(&self, result: Value) -> anyhow::Result<bool> {
        let request = ProgressRequest {
            api: API,
            token: self.lease.token(),
            result,
        };
        let reply: Option<ProgressReply> = self.call("progress", &request).await?;
        Ok(reply.is_some_and(|reply| reply.held))
    }

    async fn read_docs(&self) -> anyhow::Result<ReadDocsReply> {
        let request = ReadDocsRequest {
            api: API,
            token: self.lease.token(),
        };
        let reply: Option<Option<ReadDocsReply>> = self.call("read_docs", &request).await?;
        Ok(reply.flatten().unwrap_or(ReadDocsReply {
            held: false,
            docs: Vec::new(),
        }))
    }

    async fn record_docs(&self, docs: Vec<Doc>) -> anyhow::Result<RecordDocsReply> {
        let request = RecordDocsRequest {
            api: API,
            token: self.lease.token(),
            docs,
        };
        let reply: Option<RecordDocsReply> = self.call("record_docs", &request).await?;
        Ok(reply.unwrap_or(RecordDocsReply {
            held: false,
            created: Vec::new(),
        }))
    }
}
