//! One agent, and what it is told of the life of its subscription: the same life may be told in two worlds.

use serde_json::{Map, Value, json};

use crate::life::{INTENTS, Life, text};
use crate::town::Town;

/// As many as the function makes.
const CALLS_MAX: usize = 4;

/// Ids of Stripe's that are of one world alone.
const PREFIXES: [&str; 11] = [
    "evt_", "sub_", "in_", "ch_", "pi_", "cus_", "cs_", "tr_", "re_", "dp_", "fee_",
];

pub struct World<'a> {
    town: &'a Town,
    project: String,
    suffix: &'static str,
    intents: Vec<String>,
}

/// How a delivery ended.
#[derive(Debug, PartialEq)]
pub enum Told {
    Settled,
    /// Stripe tells it again.
    Again(String),
}

impl<'a> World<'a> {
    pub async fn new(town: &'a Town, project: String, suffix: &'static str) -> Self {
        let intent = town.checkout(&project).await;
        Self {
            town,
            project,
            suffix,
            intents: vec![intent],
        }
    }

    /// Somebody pays for the agent again.
    pub async fn checkout_again(&mut self) {
        let intent = self.town.checkout(&self.project).await;
        self.intents.push(intent);
    }

    pub fn is_paid_again(&self) -> bool {
        self.intents.len() > 1
    }

    /// An object of the life as it is in this world.
    pub fn of_life(&self, life: &Life, mut object: Value) -> Value {
        self.rename(&life.account, &mut object);
        object
    }

    fn rename(&self, account: &str, value: &mut Value) {
        match value {
            Value::String(id) if INTENTS.contains(&id.as_str()) => {
                let at = usize::from(id == INTENTS[1]);
                id.clone_from(&self.intents[at]);
            }
            Value::String(id) if id == account => "acct_town".clone_into(id),
            Value::String(id) if PREFIXES.iter().any(|prefix| id.starts_with(prefix)) => {
                id.push_str(self.suffix);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(account, item)),
            Value::Object(members) => members
                .values_mut()
                .for_each(|member| self.rename(account, member)),
            _ => {}
        }
    }

    /// A delivery of an event of this world, as the function does it. The function may die after so many calls.
    pub async fn deliver(
        &self,
        life: &Life,
        door: usize,
        event: &Value,
        fetched_at: i64,
        dies_after: usize,
    ) -> Told {
        let mut current = Map::new();
        for call in 1..=CALLS_MAX {
            let mut args = json!({ "api": 1, "endpoint": "platform", "event": event });
            if !current.is_empty() {
                args["current"] = Value::Object(current.clone());
            }
            let answer = match self.town.apply(door, &args).await {
                Ok(answer) => answer,
                Err(error) => return Told::Again(format!("{error:?}")),
            };
            if call == dies_after {
                return Told::Again("killed".to_owned());
            }
            match answer["outcome"].as_str().unwrap_or_default() {
                "fetch" => {
                    for wish in answer["fetch"].as_array().expect("a list") {
                        let (id, object) = self.fetch(life, wish, fetched_at);
                        current.insert(id, object);
                    }
                }
                "waiting" => return Told::Again(answer["note"].to_string()),
                "applied" | "repeated" | "ignored" => {
                    let done = self.town.perform(&answer);
                    if !done.is_empty() {
                        let args = json!({ "api": 1, "endpoint": "clock", "done": done });
                        // What it asks for next is leased, and due again when the lease ends.
                        self.town.apply(door, &args).await.expect("tell what was done");
                    }
                    return Told::Settled;
                }
                _ => panic!("{event}: {answer}"),
            }
        }
        panic!("it asks for more and more: {event}");
    }

    fn fetch(&self, life: &Life, wish: &Value, fetched_at: i64) -> (String, Value) {
        let id = text(&wish["id"]);
        let at_stripe = id.trim_end_matches(self.suffix);
        let object = life.stripe.read(at_stripe, &wish["expand"]);
        let object = object.unwrap_or_else(|| panic!("{wish} is at Stripe"));
        let mut object = self.of_life(life, object);
        object["fetched_at"] = fetched_at.into();
        (id, object)
    }

    /// All that is left of the life in the end, without what depends on when Creel was told.
    pub async fn end(&self) -> Value {
        let sql = "select jsonb_build_object(
            'subscriptions', (select jsonb_agg(jsonb_build_object(
               'id', s.id, 'status', s.status, 'service', s.service, 'start', s.current_period_start,
               'end', s.current_period_end, 'cancel_at_period_end', s.cancel_at_period_end,
               'past_due_since', s.past_due_since, 'grace_until', s.grace_until, 'ended_at', s.ended_at,
               'remove_at', s.remove_at, 'customer', s.customer_id, 'has_agent', s.agent_id is not null,
               'amount', s.amount_minor, 'currency', s.currency, 'plan', s.plan) order by s.id)
             from subscriptions s where s.project_id = $1),
            'agents', (select jsonb_agg(jsonb_build_object(
               'billing', a.billing, 'desired_state', a.desired_state, 'pinned', a.host_pinned))
             from agents a where a.project_id = $1),
            'intents', (select jsonb_agg(i.status order by i.created_at) from checkout_intents i where i.project_id = $1),
            'customers', (select jsonb_agg(c.customer_id order by c.customer_id) from stripe_customers c where c.project_id = $1),
            'souls', (select count(*) from brain_docs d where d.project_id = $1),
            'earnings', (select jsonb_agg(jsonb_build_object(
               'invoice', e.invoice_id, 'charge', e.charge_id, 'gross', e.gross_minor, 'fee', e.fee_minor,
               'net', e.amount_minor, 'start', e.period_start, 'end', e.period_end, 'paid_at', e.paid_at,
               'refunds', (select sum(c.amount_minor) from host_earnings c where c.corrects = e.id and c.kind = 'refund'),
               'disputes', (select coalesce(sum(c.amount_minor), 0) from host_earnings c
                 where c.corrects = e.id and c.kind in ('dispute', 'dispute_won'))) order by e.invoice_id)
             from host_earnings e join subscriptions s on s.id = e.subscription_id
             where s.project_id = $1 and e.kind = 'earning'),
            'failed payments', (select count(*) from events v
              where v.project_id = $1 and v.kind = 'billing.payment_failed'),
            'waiting', (select jsonb_agg(jsonb_build_object(e.type, e.note)) from stripe_events e
              where e.status = 'waiting' and e.subjects && $2::text[]))";
        let end = self
            .town
            .value(sql, &[&self.project, &self.intents])
            .await
            .to_string()
            .replace(&format!("{}\"", self.suffix), "\"");
        serde_json::from_str(&end).expect("read it again")
    }

    /// Sum of the ledger, and how much of it is corrections.
    pub async fn ledger(&self) -> (i64, i64) {
        let sql = "select coalesce(sum(e.amount_minor), 0)::bigint,
              coalesce(sum(e.amount_minor) filter (where e.kind <> 'earning'), 0)::bigint
            from host_earnings e join subscriptions s on s.id = e.subscription_id where s.project_id = $1";
        let row = self
            .town
            .admin
            .query_one(sql, &[&self.project])
            .await
            .expect("add up");
        (row.get(0), row.get(1))
    }

    /// What hosts were asked of Creel's own accord, in order.
    pub async fn commands(&self) -> Vec<String> {
        let sql = "select c.type from agent_commands c join events v on v.item_id = c.id and v.kind = 'agent.commanded'
            where c.project_id = $1 and c.created_by is null order by v.id";
        let rows = self
            .town
            .admin
            .query(sql, &[&self.project])
            .await
            .expect("read the commands");
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn open_items(&self) -> Value {
        let sql = "select jsonb_agg(i.queue) from creel.lanes l join creel.items i on i.lane_id = l.id
            where l.project_id = $1";
        self.town.value(sql, &[&self.project]).await
    }

    /// Makes room for the next one.
    pub async fn tear_down(self) {
        // What goes on at Stripe keeps its project.
        let sql = "update subscriptions set status = 'canceled' where project_id = $1";
        self.town
            .admin
            .execute(sql, &[&self.project])
            .await
            .expect("end its subscriptions");
        let sql = "delete from projects where id = $1";
        self.town
            .admin
            .execute(sql, &[&self.project])
            .await
            .expect("delete the project");
        // No other world is told of in this town at this time.
        let sql = "delete from creel.stripe_requests; delete from stripe_events; delete from subscriptions";
        self.town
            .admin
            .batch_execute(sql)
            .await
            .expect("forget what Stripe told");
    }
}
