//! A database with one host that is let, whoever rents it, and the connections of all who are at it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use creel_tests::db::{TestDb, User};
use serde_json::{Value, json};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::life::{PRICE, number, text};

/// Deliveries that go on at the same time.
pub const DOORS: usize = 3;

/// The key of the function, as far as anybody but the database knows it.
const KEY: &str = "0192837465aabbccddeeff0192837465aabbccddeeff";

/// A host that does not tick is taken for one that is away; more often it may not.
const TICK_EVERY: Duration = Duration::from_secs(10);

pub struct Town {
    pub admin: Client,
    pub owner: User,
    pub host: Uuid,
    doors: Vec<Called>,
    person: Client,
    worker: Client,
    claim: Statement,
    finish: Statement,
    session: Uuid,
    ticked: Mutex<Option<Instant>>,
    books: Mutex<Books>,
    _db: TestDb,
}

/// A function of the database, as somebody calls it again and again.
struct Called {
    client: Client,
    statement: Statement,
}

/// What Stripe was asked for, and did.
#[derive(Default)]
struct Books {
    paid_again: BTreeMap<String, Value>,
    reversed: BTreeMap<String, i64>,
    count: usize,
    came_back: i64,
}

impl Town {
    pub async fn new() -> Self {
        let db = TestDb::new().await.expect("make a database");
        let owner = db.user("owner@example.com").await.expect("make a person");
        let landlord = db.user("landlord@example.com").await.expect("make a person");
        let admin = db.postgres().await.expect("connect");
        let enrolled = db.host(&[]).await.expect("enrol a host");
        admin
            .batch_execute(&format!(
                "update creel.settings set max_shown_per_minute = 1000000000, max_agents_per_project = 1000000,
                   max_open_checkouts_per_project = 1000000, max_unpaid_checkouts_per_day = 1000000,
                   billing_currency = 'eur';
                 update hosts set owner_id = '{}', capacity = 100000,
                   price = '{{\"currency\": \"eur\", \"month\": {PRICE}}}' where id = '{}';
                 insert into stripe_accounts (owner_id, account_id, transfers_active, as_of)
                 values ('{}', 'acct_town', true, now());
                 select creel.add_function_key('stripe', encode(sha256('{KEY}'), 'hex'), 'tests')",
                landlord.id, enrolled.id, landlord.id
            ))
            .await
            .expect("let the host");
        let person = db.postgres().await.expect("connect");
        let claims = json!({ "sub": owner.id, "role": "authenticated" }).to_string();
        person
            .execute("select set_config('request.jwt.claims', $1, false)", &[&claims])
            .await
            .expect("sign in");
        person
            .batch_execute("set role authenticated")
            .await
            .expect("sign in");
        let mut doors = Vec::new();
        for _ in 0..DOORS {
            doors.push(door(&db).await);
        }
        let worker = db
            .connect_as(&enrolled.role, &enrolled.password)
            .await
            .expect("connect");
        let claim = prepared(&worker, "claim").await;
        let finish = prepared(&worker, "finish").await;
        Self {
            owner,
            host: enrolled.id,
            doors,
            person,
            worker,
            claim,
            finish,
            session: Uuid::new_v4(),
            ticked: Mutex::default(),
            books: Mutex::default(),
            admin,
            _db: db,
        }
    }

    /// An open checkout for an agent of a project of its own; answers the intent's id.
    pub async fn checkout(&self, project: &str) -> String {
        self.admin
            .execute(
                "insert into projects (id, name, created_by) values ($1, $1, $2) on conflict do nothing",
                &[&project, &self.owner.id],
            )
            .await
            .expect("make a project");
        let wish = json!({
            "project_id": project, "agent_key": "agent:scout:main", "host_id": self.host, "plan": "month",
            "agent": { "name": "Scout", "backend": "docker", "docs": { "soul": "Be wise." } },
        });
        self.tick().await;
        let row = self
            .person
            .query_one("select public.begin_checkout($1)", &[&wish])
            .await
            .expect("begin a checkout");
        text(&row.get::<_, Value>(0)["intent_id"])
    }

    async fn tick(&self) {
        let is_due = {
            let mut ticked = self.ticked.lock().expect("no holder of this lock panics");
            let is_due = ticked.is_none_or(|at| at.elapsed() >= TICK_EVERY);
            if is_due {
                *ticked = Some(Instant::now());
            }
            is_due
        };
        if is_due {
            let tick = json!({ "api": 1, "session": self.session, "tokens": [], "metrics": [],
              "host": { "backends": ["profile", "docker"] } });
            let statement = prepared(&self.worker, "tick").await;
            self.host_calls(&statement, &tick).await;
        }
    }

    async fn host_calls(&self, statement: &Statement, args: &Value) -> Value {
        self.worker
            .query_one(statement, &[args])
            .await
            .unwrap_or_else(|e| panic!("{args}: {e:?}"))
            .get(0)
    }

    /// The host does what is to be done, until nothing is.
    pub async fn work(&self) {
        loop {
            let claim = json!({ "api": 1, "session": self.session, "limit": 10, "woken_by": "poll" });
            let claimed = self.host_calls(&self.claim, &claim).await;
            let items = claimed["items"].as_array().expect("items");
            if items.is_empty() {
                return;
            }
            for item in items {
                let state = match item["row"]["type"].as_str().unwrap_or_default() {
                    "stop" => "stopped",
                    "undeploy" => "removed",
                    _ => "running",
                };
                let done = json!({ "token": item["token"], "outcome": "done",
                  "result": { "ok": true, "state": state, "workspace": "/w" } });
                self.host_calls(&self.finish, &json!({ "api": 1, "items": [done] }))
                    .await;
            }
        }
    }

    pub async fn value(&self, sql: &str, args: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Value {
        let rows = self
            .admin
            .query(sql, args)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.first()
            .and_then(|row| row.get::<_, Option<Value>>(0))
            .unwrap_or(Value::Null)
    }

    /// One call of the door.
    pub async fn apply(&self, door: usize, args: &Value) -> Result<Value, tokio_postgres::Error> {
        let Called { client, statement } = &self.doors[door];
        let row = client.query_one(statement, &[args]).await?;
        Ok(row.get(0))
    }

    /// Does at Stripe what an answer asks for: a reversal up to so much, or another transfer; each key once. Answers what
    /// is to be told.
    pub fn perform(&self, answer: &Value) -> Vec<Value> {
        let mut books = self.books.lock().expect("no holder of this lock panics");
        let requests = answer["requests"].as_array().cloned().unwrap_or_default();
        requests.iter().map(|request| books.perform(request)).collect()
    }

    /// What came back of all transfers, less what was paid again.
    pub fn came_back(&self) -> i64 {
        self.books
            .lock()
            .expect("no holder of this lock panics")
            .came_back
    }

    /// Another world begins.
    pub fn forget_what_came_back(&self) {
        self.books
            .lock()
            .expect("no holder of this lock panics")
            .came_back = 0;
    }

    /// The clock strikes: what is due is done, until nothing is.
    pub async fn settle(&self) {
        let mut done = Vec::new();
        for _ in 0..200 {
            let lease_ends =
                "update creel.stripe_requests set not_before = '-infinity' where status = 'waiting'";
            self.admin
                .batch_execute(lease_ends)
                .await
                .expect("let leases end");
            let args = json!({ "api": 1, "endpoint": "clock", "done": done });
            let answer = self.apply(0, &args).await.expect("tick");
            done = self.perform(&answer);
            if done.is_empty() {
                return;
            }
        }
        panic!("Stripe is asked for more and more");
    }

    /// What time brings about, and the host's work on it.
    pub async fn sweep(&self) {
        self.admin
            .batch_execute("select creel.sweep_billing()")
            .await
            .expect("sweep");
        self.work().await;
    }
}

impl Books {
    fn perform(&mut self, request: &Value) -> Value {
        let (path, form) = (text(&request["path"]), &request["form"]);
        let asked = number(&form["amount"]);
        self.count += 1;
        let transfer = path
            .strip_prefix("/v1/transfers/")
            .and_then(|rest| rest.strip_suffix("/reversals"));
        let made = if let Some(transfer) = transfer {
            let reversed = self.reversed.entry(transfer.to_owned()).or_default();
            // Up to so much: what was done before is not done again.
            let rest = asked - *reversed;
            if rest > 0 {
                *reversed += rest;
                self.came_back += rest;
                json!({ "id": format!("trr_{}", self.count), "object": "transfer_reversal", "amount": rest })
            } else {
                json!({ "id": transfer, "object": "transfer", "amount": PRICE, "amount_reversed": *reversed })
            }
        } else {
            let key = text(&request["idempotency_key"]);
            if !self.paid_again.contains_key(&key) {
                self.came_back -= asked;
                let id = format!("tr_again_{}", self.count);
                self.paid_again.insert(
                    key.clone(),
                    json!({ "id": id, "object": "transfer", "amount": asked }),
                );
            }
            self.paid_again[&key].clone()
        };
        json!({ "request_id": request["request_id"], "ok": true, "stripe_id": made["id"], "object": made })
    }
}

/// A connection as PostgREST has it for the function.
async fn door(db: &TestDb) -> Called {
    let (client, connection) = db
        .authenticator_config()
        .connect(tokio_postgres::NoTls)
        .await
        .expect("connect as the authenticator");
    tokio::spawn(connection);
    let headers = json!({ "x-creel-stripe-key": KEY }).to_string();
    client
        .execute("select set_config('request.headers', $1, false)", &[&headers])
        .await
        .expect("set the headers");
    client
        .batch_execute("set role creel_stripe")
        .await
        .expect("be the function");
    let statement = prepared(&client, "apply_stripe_event").await;
    Called { client, statement }
}

async fn prepared(client: &Client, function: &str) -> Statement {
    client
        .prepare(&format!("select public.{function}($1)"))
        .await
        .unwrap_or_else(|e| panic!("{function}: {e:?}"))
}
