//! The line of the log that infra/ makes an alarm of.

use creel_tests::wait::eventually;
use serde_json::{Value, json};

use crate::emulator::Emulator;
use crate::stage::{SOON, Stage};

/// The field, as `$.fields.waiting_count` of infra/ finds it.
fn waiting_counts(log: &str) -> Vec<u64> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| line["fields"]["waiting_count"].as_u64())
        .collect()
}

#[tokio::test]
async fn the_clock_says_how_many_events_wait_that_nobody_can_apply() {
    let stage = Stage::new().await;
    let key = uuid::Uuid::new_v4().simple().to_string();
    stage
        .run(&format!(
            "select creel.add_function_key('stripe', encode(sha256('{key}'), 'hex'), 'test')"
        ))
        .await;
    let url = stage.rest.url();
    let emulator = Emulator::start_function(
        "stripe",
        &[
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("SUPABASE_URL", url.as_str()),
            ("SUPABASE_PUBLISHABLE_KEY", stage.rest.publishable_key()),
            ("CREEL_STRIPE_KEY", key.as_str()),
            ("STRIPE_API_KEY", "rk_test_0123456789abcdefghij"),
            ("STRIPE_API_URL", "http://127.0.0.1:9"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_0123456789abcdef0123456789abcdef"),
            (
                "STRIPE_CONNECT_WEBHOOK_SECRET",
                "whsec_fedcba9876543210fedcba9876543210",
            ),
        ],
    )
    .await;
    let tick = async || emulator.invoke(json!({ "creel": "clock" }).to_string()).await;
    let told = async |count: u64| {
        let (status, answer) = tick().await;
        assert_eq!(status, 200, "{answer}");
        eventually("the log has it", SOON, async || {
            waiting_counts(&emulator.log()).last() == Some(&count)
        })
        .await;
    };
    told(0).await;
    // One of them may well be applied by itself yet.
    for (id, age) in [("evt_new", "1 minute"), ("evt_old", "10 minutes")] {
        stage
            .run(&format!(
                "insert into public.stripe_events (id, endpoint, type, status, subjects, payload, received_at)
                 values ('{id}', 'platform', 'charge.refunded', 'waiting', '{{ch_1}}',
                   '{{\"id\": \"{id}\", \"type\": \"charge.refunded\", \"created\": 1, \"data\": {{\"object\": {{\"id\": \"ch_1\"}}}}}}',
                   now() - interval '{age}')"
            ))
            .await;
    }
    told(1).await;
}
