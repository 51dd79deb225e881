//! What a host tells of itself is kept, bounded, and for the right eyes.

use creel_core::status::HostEventKind;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, Session};

async fn tell(host: &Session, report: Value) -> Value {
    let args = json!({
        "api": 1, "session": host.session, "tokens": [], "metrics": [], "host": report,
    });
    host.call("tick", &args).await.expect("tick")
}

async fn runtime(f: &Fixture, host: Uuid) -> Value {
    f.admin
        .query_one(
            "select h.runtime || coalesce(jsonb_build_object('agents', r.agents), '{}')
             from hosts h left join host_rosters r on r.host_id = h.id where h.id = $1",
            &[&host],
        )
        .await
        .expect("read the host")
        .get::<_, Option<Value>>(0)
        .unwrap_or(Value::Null)
}

async fn event_count(f: &Fixture) -> i64 {
    f.admin
        .query_one("select count(*) from events where project_id is null", &[])
        .await
        .expect("count events")
        .get(0)
}

#[tokio::test]
async fn the_runtime_stays_until_another_is_told() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let told = json!({ "reported_at": "2026-11-21T00:00:00Z", "agents": [{ "id": "scout" }] });
    tell(&host, json!({ "runtime": told })).await;
    assert_eq!(runtime(&f, host.host).await, told);
    tell(&host, json!({})).await;
    assert_eq!(runtime(&f, host.host).await, told);
    // Neither of these may cost the host its tick.
    let huge: Vec<String> = (0..20_000).map(|n| format!("agent-number-{n}")).collect();
    tell(&host, json!({ "runtime": { "agents": huge } })).await;
    tell(&host, json!({ "runtime": "nonsense", "events": "nonsense" })).await;
    assert_eq!(runtime(&f, host.host).await, told);
}

#[tokio::test]
async fn whose_agents_live_on_a_host_is_told_to_its_owner_only() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let told = json!({ "models": ["fake/fake-1"], "agents": [{ "id": "of-another-project" }] });
    tell(&host, json!({ "runtime": told })).await;
    let by_anybody = "select id from hosts where runtime::text like '%of-another-project%'";
    let models = "select id from hosts where runtime::text like '%fake-1%'";
    let roster = "select host_id from host_rosters";
    assert_eq!(f.as_person(f.owner, models).await.expect("look"), 1);
    assert_eq!(
        f.as_person(f.owner, roster).await.expect("look"),
        0,
        "not his host"
    );
    f.admin
        .execute("update hosts set owner_id = $1", &[&f.owner])
        .await
        .expect("give it to him");
    assert_eq!(f.as_person(f.owner, roster).await.expect("look"), 1);
    assert_eq!(f.as_person(f.owner, by_anybody).await.expect("look"), 0);
}

#[tokio::test]
async fn events_of_a_host_are_for_its_owner() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let stranger = Uuid::new_v4();
    f.person(stranger, "stranger@example.com").await;
    let kinds: Vec<Value> = HostEventKind::ALL
        .iter()
        .map(|kind| json!({ "kind": kind, "payload": { "why": "told" } }))
        .collect();
    tell(&host, json!({ "events": kinds })).await;
    assert_eq!(event_count(&f).await, HostEventKind::ALL.len() as i64);
    let row = f
        .admin
        .query_one(
            "select kind, host_id, actor, detail from events where project_id is null order by id limit 1",
            &[],
        )
        .await
        .expect("read an event");
    assert_eq!(row.get::<_, &str>(0), HostEventKind::ALL[0].as_str());
    assert_eq!(row.get::<_, Uuid>(1), host.host);
    assert_eq!(row.get::<_, String>(2), format!("host:{}", host.host));
    assert_eq!(row.get::<_, Value>(3), json!({ "why": "told" }));
    let seen = "select id from events where project_id is null";
    assert_eq!(f.as_person(f.owner, seen).await.expect("look"), 0, "not his host");
    f.admin
        .execute("update hosts set owner_id = $1", &[&f.owner])
        .await
        .expect("give it to him");
    assert!(f.as_person(f.owner, seen).await.expect("look") > 0);
    assert_eq!(f.as_person(stranger, seen).await.expect("look"), 0);
}

#[tokio::test]
async fn a_host_can_neither_invent_kinds_nor_flood_the_events() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let event = |kind: &str, payload: Value| json!({ "kind": kind, "payload": payload });
    tell(
        &host,
        json!({ "events": [
            event("agent.provisioned", json!({})), event("", json!({})), json!(7), json!({ "kind": null }),
            event("gateway.failed", json!({ "text": "x".repeat(10_000) })), event("gateway.failed", json!([1])),
        ]}),
    )
    .await;
    let rows = f
        .admin
        .query("select detail from events where project_id is null", &[])
        .await;
    let rows = rows.expect("read the events");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.get::<_, Value>(0) == json!({})));
    let many: Vec<Value> = (0..50)
        .map(|n| event("gateway.failed", json!({ "n": n })))
        .collect();
    tell(&host, json!({ "events": many })).await;
    assert_eq!(event_count(&f).await, 22, "20 with one tick");
    for _ in 0..10 {
        tell(&host, json!({ "events": many })).await;
    }
    assert_eq!(event_count(&f).await, 100, "100 within an hour");
}

#[tokio::test]
async fn an_event_that_is_told_twice_is_written_once() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    let other = f.host(&["p1"]).await;
    let [mine, second] = [Uuid::new_v4(), Uuid::new_v4()];
    let event = |id: Value| json!({ "id": id, "kind": HostEventKind::GatewayFailed.as_str(), "payload": {} });
    tell(&host, json!({ "events": [event(json!(mine))] })).await;
    // The answer was lost, and something else has happened since.
    let again = json!({ "events": [event(json!(mine)), event(json!(second)), event(json!(second))] });
    tell(&host, again).await;
    assert_eq!(event_count(&f).await, 2);
    // Another host's ids are another host's, and who gives none is believed.
    tell(
        &other,
        json!({ "events": [event(json!(mine)), event(json!("x")), event(Value::Null)] }),
    )
    .await;
    assert_eq!(event_count(&f).await, 5);
}
