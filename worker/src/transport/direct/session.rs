//! One connection to Postgres, and calls on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Row, Statement};
use tokio_util::sync::CancellationToken;

use super::super::error::{CallError, Cause};
use super::refusal::classify;

/// One connection; it is closed when this is dropped. When a call on it gets no answer in time it is given up as a whole: nobody can say
/// what a late answer would belong to.
pub(crate) struct DirectSession {
    client: Client,
    ended: CancellationToken,
    calls: Mutex<HashMap<String, Call>>,
}

/// How a function is called on this connection.
#[derive(Clone)]
enum Call {
    /// It was called once, or is being prepared: one that comes meanwhile goes its own way.
    Once,
    /// The database has read and planned the statement already.
    Prepared(Statement),
}

impl DirectSession {
    pub(super) fn new(client: Client, ended: CancellationToken) -> Self {
        Self {
            client,
            ended,
            calls: Mutex::default(),
        }
    }

    /// Waits until the connection ends.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether the connection has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Limits what a statement may take on the server too, so that none is carried out long after its
    /// caller gave it up; with `listen`, registers for that channel's notifications.
    pub(crate) async fn set_up(&self, limit: Duration, listen: Option<&str>) -> Result<(), CallError> {
        let mut text = format!("set statement_timeout = {};", limit.as_millis());
        if let Some(channel) = listen {
            text.push_str(&format!("listen {channel};"));
        }
        self.within(limit, self.client.batch_execute(&text)).await
    }

    /// Calls a function that takes one jsonb and answers one. An answer of null is an `Option`'s none.
    pub(crate) async fn call<R: DeserializeOwned + Send>(
        &self,
        function: &str,
        argument: Value,
        limit: Duration,
    ) -> Result<R, CallError> {
        let row = self.within(limit, self.query(function, Json(argument))).await?;
        let Json(answer) = row
            .try_get::<_, Json<R>>(0)
            .map_err(|error| CallError::Nonsense(Cause::from(error)))?;
        Ok(answer)
    }

    /// The first call of a function takes one round trip, and so does each that finds it prepared.
    async fn query(&self, function: &str, argument: Json<Value>) -> Result<Row, tokio_postgres::Error> {
        let text = format!("select coalesce(public.{function}($1), 'null')");
        let known = {
            let mut calls = self.calls();
            match calls.get(function) {
                Some(call) => Some(call.clone()),
                None => {
                    calls.insert(function.to_owned(), Call::Once);
                    None
                }
            }
        };
        match known {
            Some(Call::Prepared(statement)) => {
                match self.client.query_one(&statement, &[&argument]).await {
                    // It was not carried out: somebody replaced the function, or a pooler has another session here.
                    Err(error) if error.code().is_some_and(is_outdated) => {
                        self.calls().remove(function);
                        self.client
                            .query_typed_one(&text, &[(&argument, Type::JSONB)])
                            .await
                    }
                    answer => answer,
                }
            }
            Some(Call::Once) => {
                let statement = self.client.prepare_typed(&text, &[Type::JSONB]).await?;
                let row = self.client.query_one(&statement, &[&argument]).await;
                self.calls()
                    .insert(function.to_owned(), Call::Prepared(statement));
                row
            }
            None => {
                self.client
                    .query_typed_one(&text, &[(&argument, Type::JSONB)])
                    .await
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.calls.lock().expect("no holder of this lock panics")
    }

    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => {
                // Nobody is to be handed a connection that is known to be closed.
                if self.client.is_closed() {
                    self.ended.cancel();
                }
                answer.map_err(classify)
            }
            Err(_) => {
                self.ended.cancel();
                Err(CallError::Silent(limit))
            }
        }
    }
}

/// Whether a prepared statement is no longer what it was: unknown, or its result has another type.
fn is_outdated(code: &SqlState) -> bool {
    *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::FEATURE_NOT_SUPPORTED
}
