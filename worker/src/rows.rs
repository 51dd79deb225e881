//! A job's view of the database, over the main connection.

use std::time::{Duration, Instant};

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
use crate::transport::{CALL_LIMIT, CallError, Link, retry_delays};

/// A proxy that has lost its mind, a key that is being replaced and a Data API that reads its schema anew are other in
/// some seconds; what is the same after this is so.
const REFUSED_MAX: Duration = Duration::from_secs(60);

/// The rows of one held item. A cut connection is waited out for as long as the lease lasts, and for a while whatever
/// says nothing of the call itself: each of these calls has the same effect when it is carried out twice.
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
        let mut refused = None;
        let repeated = async {
            loop {
                let session = self.link.session().await;
                let answer = session.call(function, argument, CALL_LIMIT).await;
                match answer {
                    Err(error) if may_pass(&error, &mut refused, Instant::now()) => {
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

/// Whether a call may go better another time. `refused` is when it first came to something that is no matter of the
/// way alone.
fn may_pass(error: &CallError, refused: &mut Option<Instant>, now: Instant) -> bool {
    if error.is_passing() {
        return true;
    }
    let since = *refused.get_or_insert(now);
    !error.is_about_the_call() && now.duration_since(since) < REFUSED_MAX
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::{Path, State};
    use axum::http::StatusCode;
    use axum::routing::post;
    use creel_core::clock::Moment;
    use creel_core::secret::Secret;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio_util::task::AbortOnDropHandle;
    use uuid::Uuid;

    use super::*;
    use crate::config::{DataApiConfig, TransportConfig};
    use crate::host_key::HostKey;
    use crate::transport::{Connector, LinkKeeper};

    /// What is said to the first calls of a job, by whoever stands between and by PostgREST.
    const TROUBLES: [(u16, &str); 4] = [
        (401, r#"{"message":"Invalid API key"}"#),
        (404, "<html>nothing here</html>"),
        (
            404,
            r#"{"code":"PGRST202","message":"could not find the function in the schema cache"}"#,
        ),
        (200, "<html>sign in to the hotel's network</html>"),
    ];

    async fn answer(
        State(calls): State<Arc<AtomicUsize>>,
        Path(function): Path<String>,
    ) -> (StatusCode, String) {
        let held = || json!({ "held": true, "docs": [] }).to_string();
        if function != "progress" {
            return (StatusCode::OK, held());
        }
        match TROUBLES.get(calls.fetch_add(1, Ordering::Relaxed)) {
            Some((status, said)) => {
                let status = StatusCode::from_u16(*status).expect("a status");
                (status, (*said).to_owned())
            }
            None => (StatusCode::OK, held()),
        }
    }

    #[tokio::test]
    async fn who_stands_between_for_a_moment_costs_no_attempt() {
        let calls = Arc::<AtomicUsize>::default();
        let router = Router::new()
            .route("/rest/v1/rpc/{function}", post(answer))
            .with_state(calls.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let _serving = AbortOnDropHandle::new(tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        }));
        let folder = tempfile::tempdir().expect("make a folder");
        let file = folder.path().join("host.key");
        HostKey::generate().write(&file).expect("write a key");
        let config = DataApiConfig::new(&url, Some(Secret::new("sb_publishable_x")), file, None, None);
        let config = TransportConfig::Rest(config.expect("a configuration"));
        let connector = Connector::new(&config).expect("a connector");
        let (keeper, link) = LinkKeeper::new(connector, Arc::default(), Arc::default());
        let _keeping = AbortOnDropHandle::new(tokio::spawn(async move { drop(keeper.keep().await) }));

        let lease = Lease::new(Uuid::nil(), Moment::now(), Duration::from_secs(60));
        let rows = HeldRows::new(link, lease);
        assert!(rows.progress(json!({})).await.expect("an answer"));
        assert_eq!(calls.load(Ordering::Relaxed), TROUBLES.len() + 1);
    }

    #[test]
    fn what_stays_refused_and_what_is_said_of_the_call_counts() {
        let now = Instant::now();
        let (mut refused, later) = (None, now + REFUSED_MAX);
        let revoked = CallError::KeyRefused("revoked".to_owned());
        assert!(may_pass(&revoked, &mut refused, now));
        assert!(!may_pass(&revoked, &mut refused, later));
        let silent = CallError::Silent(Duration::ZERO);
        assert!(may_pass(&silent, &mut refused, later), "the lease bounds that");
        assert!(!may_pass(&CallError::Refused("22P05".into()), &mut None, now));
    }
}
