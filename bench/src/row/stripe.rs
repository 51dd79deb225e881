//! The function `stripe` on AWS Lambda: its size, its start, and what it stands.
//!
//! The load is open: an event is handed over every two milliseconds, whether the ones before are answered or not, and its
//! time counts from the moment when it was due. Each is another event of a subscription that is active, signed as Stripe
//! signs; each tenth comes twice. As many programs answer as infra/ lets run at once, and what they write is counted.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sysinfo::Pid;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::Effort;
use super::function::{built, zip_mib};
use crate::clock::now_ms;
use crate::figure::{Against, Figure, Goal};
use crate::lambda::{Answer, Runtime, answer_one, answer_warm, event, stop};
use crate::processor::ProcessorMeter;
use crate::stage::{Host, PROJECT, Stage};
use crate::statistics::{median, percentile};

/// What is asked of it.
const EVENTS_A_SECOND: u32 = 500;

/// As the reserved concurrency that infra/ has for it.
const PROGRAMS: usize = 20;

/// Subscriptions that take turns, so that no event waits for the lock of the one before.
const SUBSCRIPTIONS: usize = 1_000;

/// Every how manieth is delivered twice.
const REPEATED_EACH: usize = 10;

/// The secret of its endpoint.
const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";

/// Measures.
pub async fn measure(stage: &Stage, host: &Host, effort: Effort) -> Result<Vec<Figure>> {
    let program = built(stage, "lambda/stripe")?;
    let hello = built(stage, "lambda/examples/hello")?;
    let key = Uuid::new_v4().simple().to_string();
    let url = stage.stack().supabase_url();
    let env = [
        ("SUPABASE_URL", url.as_str()),
        (
            "SUPABASE_PUBLISHABLE_KEY",
            stage.stack().publishable_key().expose(),
        ),
        ("CREEL_STRIPE_KEY", key.as_str()),
        ("STRIPE_API_KEY", "rk_test_0123456789abcdef"),
        // Nothing of this is asked of Stripe, and would fail if it were.
        ("STRIPE_API_URL", "http://127.0.0.1:9"),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("STRIPE_CONNECT_WEBHOOK_SECRET", SECRET),
        ("AWS_LAMBDA_LOG_LEVEL", "error"),
    ];

    // Nobody's delivery: read, hashed and refused without the database, as hello answers without one.
    let asked = delivery("{}", 0, "0");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..effort.pick(11, 31) {
        let (after_ms, answer) = answer_one(&program, &env, &asked).await?;
        ensure!(
            answer["statusCode"] == json!(400),
            "the function answered {answer}"
        );
        ours.push(after_ms);
        theirs.push(answer_one(&hello, &[], &asked).await?.0);
    }
    let warm_count = effort.pick(200, 1_000);
    let warm = answer_warm(&program, &env, &asked, warm_count).await?;
    let hello_warm = answer_warm(&hello, &[], &asked, warm_count).await?;

    seed(stage, host, &key).await?;
    let event_count = effort.pick(2_500, 15_000);
    let load = run(stage, &program, &env, event_count).await?;
    let figure = |name, what, ours, unit, against, goal| Figure {
        name,
        what,
        ours,
        unit,
        against,
        goal,
        note: None,
    };
    const HELLO: &str = "hello-world in the same runtime";
    let rate = f64::from(EVENTS_A_SECOND);
    Ok(vec![
        figure(
            "stripe_zip",
            "Lambda for Stripe's events, zip file",
            zip_mib(stage, "stripe")?,
            "MiB",
            Against::Itself,
            Goal::AtMost(4.0),
        ),
        figure(
            "stripe_start",
            "the same: spawn → first answer",
            median(&ours),
            "ms",
            Against::OursByTheirs(HELLO, median(&theirs)),
            Goal::AtMost(3.0),
        ),
        figure(
            "stripe_warm",
            "the same: warm answer",
            median(&warm),
            "ms",
            Against::OursByTheirs(HELLO, median(&hello_warm)),
            Goal::AtMost(3.0),
        ),
        Figure {
            note: Some(load.note()),
            ..figure(
                "stripe_errors",
                "500 events a second into the database: errors",
                load.error_count,
                "",
                Against::Itself,
                Goal::Exactly(0.0),
            )
        },
        figure(
            "stripe_cpu",
            "the same: processor time of the database, a delivery",
            load.database_ms,
            "ms",
            Against::Itself,
            Goal::None,
        ),
        figure(
            "stripe_cpu_others",
            "the same: of function, PostgREST and the bench",
            load.others_ms,
            "ms",
            Against::Itself,
            Goal::None,
        ),
        figure(
            "stripe_rate",
            "the same: answered",
            load.rate,
            "events/s",
            Against::Itself,
            // The last ones are answered a little after they came.
            Goal::AtLeast(rate * 0.99),
        ),
        figure(
            "stripe_p50",
            "the same: due → answered, p50",
            load.p50_ms,
            "ms",
            Against::Itself,
            Goal::None,
        ),
        figure(
            "stripe_p99",
            "the same: due → answered, p99",
            load.p99_ms,
            "ms",
            Against::Itself,
            Goal::None,
        ),
    ])
}

/// What came of the load.
struct Load {
    event_count: usize,
    first_error: Option<String>,
    error_count: f64,
    database_ms: f64,
    others_ms: f64,
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Load {
    fn note(&self) -> String {
        let (count, each) = (self.event_count, REPEATED_EACH);
        let counted = format!("{count} deliveries, each {each}th of them again, {PROGRAMS} programs");
        match &self.first_error {
            Some(error) => format!("{counted}; the first error: {error}"),
            None => counted,
        }
    }
}

/// A key for the function, and subscriptions that are active.
async fn seed(stage: &Stage, host: &Host, key: &str) -> Result<()> {
    let hash = hex::encode(Sha256::digest(key));
    stage
        .admin
        .execute("select creel.add_function_key('stripe', $1, 'bench')", &[&hash])
        .await
        .context("make a key")?;
    stage
        .admin
        .execute(
            "with made as (
               insert into public.agents
                 (project_id, agent_key, host_id, openclaw_id, workspace_path, provisioned, status, billing)
               select $1::text, 'agent:paid' || n || ':main', $3::uuid, 'paid' || n, '/w/paid' || n, true, 'running', 'paid'
               from generate_series(1, $2::bigint) n
               returning id, project_id, agent_key)
             insert into public.subscriptions (
               id, project_id, agent_id, agent_key, host_id, customer_id, plan, amount_minor, currency, status, service,
               current_period_start, current_period_end, first_paid_at, paid_at, received_at, as_of)
             select 'sub_' || (row_number() over (order by agent_key)) - 1, project_id, id, agent_key, $3::uuid,
               'cus_' || agent_key, 'month', 900, 'usd', 'active', 'active', now(), now() + interval '1 month',
               now() - interval '1 day', now() - interval '1 day', now(), now() - interval '1 day'
             from made",
            &[
                &PROJECT,
                &i64::try_from(SUBSCRIPTIONS).context("count subscriptions")?,
                &host.id,
            ],
        )
        .await
        .context("make subscriptions")?;
    stage.settle().await
}

async fn run(
    stage: &Stage,
    program: &std::path::Path,
    env: &[(&str, &str)],
    event_count: usize,
) -> Result<Load> {
    let mut runtime = Runtime::serve().await?;
    let started: Result<Vec<_>> = (0..PROGRAMS).map(|_| runtime.start(program, env)).collect();
    let programs = started?;
    // Each has its connection before it counts, as those of a minute ago have on AWS.
    for n in 0..PROGRAMS * 3 {
        runtime.send(paid_event("warm", n)?)?;
    }
    let mut warmed = Vec::new();
    for _ in 0..PROGRAMS * 3 {
        warmed.push(runtime.answer().await?);
    }
    let refused = warmed.iter().find_map(error_of);
    ensure!(refused.is_none(), "the function refused an event: {refused:?}");

    // PostgREST and the programs were started by this one.
    let of_others = ProcessorMeter::start(vec![Pid::from_u32(std::process::id())]);
    let of_database = ProcessorMeter::start(vec![stage.postmaster().await?]);
    let gap = Duration::from_secs(1) / EVENTS_A_SECOND;
    let mut clock = tokio::time::interval_at(Instant::now() + gap, gap);
    // What could not be handed over in time was due all the same.
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (begin, first) = (now_ms(), PROGRAMS * 3);
    let gap_ms = gap.as_secs_f64() * 1e3;
    let mut answers: Vec<Answer> = Vec::with_capacity(event_count);
    for n in 0..event_count {
        clock.tick().await;
        let is_repeated = n % REPEATED_EACH == REPEATED_EACH - 1;
        let which = if is_repeated { n - REPEATED_EACH / 2 } else { n };
        runtime.send(paid_event("load", which)?)?;
        answers.extend(runtime.answers_so_far());
    }
    while answers.len() < event_count {
        match runtime.answer().await {
            Ok(answer) => answers.push(answer),
            // The rest has died with its program, and is counted.
            Err(_) => break,
        }
    }
    let (database_ms, others_ms) = (of_database.stop().await?, of_others.stop().await?);
    stop(programs).await?;

    #[expect(clippy::cast_precision_loss, reason = "they are thousands")]
    let due_ms = |answer: &Answer| begin + gap_ms * ((answer.event - first + 1) as f64);
    let took_ms: Vec<f64> = answers.iter().map(|one| one.at_ms - due_ms(one)).collect();
    let end = answers.iter().map(|one| one.at_ms).fold(begin, f64::max);
    let errors: Vec<String> = answers.iter().filter_map(error_of).collect();
    let error_count = errors.len() + event_count - answers.len();
    let written: i64 = stage
        .admin
        .query_one(
            "select count(*) from public.stripe_events where id like 'evt\\_load\\_%' and status = 'applied'",
            &[],
        )
        .await
        .context("count events")?
        .get(0);
    let expected = event_count - event_count / REPEATED_EACH;
    ensure!(
        error_count > 0 || usize::try_from(written).ok() == Some(expected),
        "{written} events were applied, and {expected} were sent"
    );
    #[expect(clippy::cast_precision_loss, reason = "they are thousands")]
    Ok(Load {
        event_count,
        first_error: errors.into_iter().next(),
        error_count: error_count as f64,
        database_ms: database_ms / event_count as f64,
        others_ms: others_ms / event_count as f64,
        rate: answers.len() as f64 / ((end - begin) / 1e3),
        p50_ms: percentile(&took_ms, 0.5),
        p99_ms: percentile(&took_ms, 0.99),
    })
}

fn error_of(answer: &Answer) -> Option<String> {
    (answer.body["statusCode"] != json!(200)).then(|| answer.body.to_string())
}

/// A subscription's next month is paid: an event as Stripe sends it.
fn paid_event(id: &str, n: usize) -> Result<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("read the clock")?;
    let now = now.as_secs();
    let (which, round) = (n % SUBSCRIPTIONS, n / SUBSCRIPTIONS);
    let created = now - 3_600 + u64::try_from(round).context("count rounds")?;
    let body = json!({
        "id": format!("evt_{id}_{n}"), "object": "event", "api_version": "2026-10-28.endive", "created": created,
        "livemode": false, "pending_webhooks": 1, "type": "customer.subscription.updated",
        "request": { "id": null, "idempotency_key": null },
        "data": {
            "object": {
                "id": format!("sub_{which}"), "object": "subscription", "status": "active", "livemode": false,
                "customer": format!("cus_{which}"), "currency": "usd", "cancel_at_period_end": false,
                "canceled_at": null, "cancel_at": null, "ended_at": null, "created": created - 86_400,
                "collection_method": "charge_automatically", "latest_invoice": format!("in_{n}"),
                // Events of one checkout take turns.
                "metadata": { "creel_intent": Uuid::from_u128(which as u128 + 1) },
                "items": { "object": "list", "has_more": false, "data": [{
                    "id": format!("si_{which}"), "object": "subscription_item", "quantity": 1,
                    "current_period_start": created, "current_period_end": created + 2_678_400,
                    "price": { "id": "price_1", "object": "price", "currency": "usd", "unit_amount": 900 },
                }] },
            },
            "previous_attributes": { "items": { "data": [{ "current_period_end": created }] } },
        },
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("make a signature")?;
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(delivery(&body, now, &signature).to_string())
}

/// A request of Stripe's, as a function URL hands it on.
fn delivery(body: &str, time: u64, signature: &str) -> Value {
    let headers = json!({
        "content-type": "application/json; charset=utf-8",
        "stripe-signature": format!("t={time},v1={signature}"),
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    });
    event("POST", "/stripe/events", &headers, Some(body))
}
