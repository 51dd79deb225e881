//! Holds up a step of the worker in the database, at a point that the test chooses: the product needs no
//! points for that.

use creel_tests::db::TestDb;
use creel_tests::wait::eventually;
use tokio_postgres::Client;

use crate::fixture::SOON;

/// The advisory lock that stands for the gate.
const LOCK: i64 = 0x6361_7465;

/// A closed gate: statements that write certain rows wait before it.
pub struct Gate {
    holder: Client,
    superuser: Client,
}

impl Gate {
    pub async fn new(db: &TestDb, table: &str, event: &str, condition: &str) -> Self {
        let holder = db.postgres().await.expect("connect");
        holder
            .execute("select pg_advisory_lock($1)", &[&LOCK])
            .await
            .expect("close the gate");
        holder
            .batch_execute(&format!(
                "create function public.pass_gate() returns trigger language plpgsql security definer
                   set search_path = '' as $$ begin perform pg_advisory_xact_lock({LOCK}); return new; end $$;
                 create trigger pass_gate before {event} on public.{table} for each row
                   when ({condition}) execute function public.pass_gate()"
            ))
            .await
            .expect("build the gate");
        Self {
            holder,
            superuser: db.superuser().await.expect("connect"),
        }
    }

    /// Waits until somebody waits.
    pub async fn arrived(&self) {
        eventually("somebody arrives at the gate", SOON, async || {
            !self.waiting().await.is_empty()
        })
        .await;
    }

    /// Ends the sessions of those who wait: what they wanted to write is not written.
    pub async fn turn_away(&self) {
        for pid in self.waiting().await {
            self.superuser
                .execute("select pg_terminate_backend($1)", &[&pid])
                .await
                .expect("end a session");
        }
        eventually("nobody waits any more", SOON, async || {
            self.waiting().await.is_empty()
        })
        .await;
    }

    /// Lets everybody pass, now and later.
    pub async fn open(&self) {
        self.holder
            .execute("select pg_advisory_unlock($1)", &[&LOCK])
            .await
            .expect("open the gate");
    }

    async fn waiting(&self) -> Vec<i32> {
        let waiting = self
            .superuser
            .query(
                "select pid from pg_locks where locktype = 'advisory' and not granted
                   and database = (select oid from pg_database where datname = current_database())
                   and (classid::bigint << 32) | objid::bigint = $1",
                &[&LOCK],
            )
            .await;
        let waiting = waiting.expect("look who waits");
        waiting.iter().map(|row| row.get(0)).collect()
    }
}
