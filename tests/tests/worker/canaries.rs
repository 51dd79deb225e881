//! A canary is answered by the agent itself, whichever backend it has, and an outage is over when it answers again.

use std::time::Duration;

use creel_tests::wait::{eventually, eventually_some};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::{SCOUT, SOON, Stage};
use crate::gateway::{give_gateway, pid, until, whole};
use crate::own_gateway::Agent;

/// Lets it be time to ask, and some time since a command ended: until then that is why an agent may not be there.
const ASK: &str = "update agent_commands set acked_at = acked_at - interval '10 minutes',
    created_at = created_at - interval '10 minutes';
    update creel.canary_plans set due_at = now(), running_at = now();
    select creel.ask_canaries()";

/// What the database does not do: it asks an agent that is wished stopped. The host has fifteen seconds of that.
pub const ASK_STOPPED: &str = "insert into agent_canaries
    (project_id, agent_key, agent_id, host_id, generation, challenge, deadline_at)
    select project_id, agent_key, id, host_id, generation, 'Are you there?', now() + interval '25 seconds' from agents";

impl Stage {
    /// Asks the agents that are paid for now; answers what became of the newest canary.
    async fn asks(&self) -> Value {
        self.asks_within(SOON).await
    }

    /// The same, of agents that take longer to answer.
    pub async fn asks_within(&self, limit: Duration) -> Value {
        self.run(ASK).await;
        eventually_some("the canary is settled", limit, async || {
            let row = self
                .admin
                .query_opt(
                    "select to_jsonb(c) from agent_canaries c where not exists (
                       select from agent_canaries o where o.status in ('queued', 'running'))
                     order by asked_at desc limit 1",
                    &[],
                )
                .await
                .expect("read the canary");
            row.map(|row| row.get::<_, Value>(0))
        })
        .await
    }

    pub async fn outages(&self) -> Value {
        let row = self.admin.query_one(
            "select coalesce(jsonb_agg(ended_by order by id), '[]') from agent_outages",
            &[],
        );
        row.await.expect("read the outages").get(0)
    }
}

#[tokio::test]
async fn an_agent_with_a_gateway_of_its_own_answers_and_one_that_cannot_is_an_outage() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow("failed agent_canaries");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    agent.does("deploy", json!({})).await;
    stage.run("update agents set billing = 'paid'").await;

    let answered = stage.asks().await;
    assert_eq!(answered["status"], json!("done"), "{answered:#}");
    assert!(answered["result"]["ms"].is_u64(), "{answered:#}");
    assert_eq!(stage.outages().await, json!([]));

    // A model that fails is nobody's outage: it may be its provider, or the deployer's account with it.
    let error = json!({ "mode": "fail_turn", "message": "402 out of credit" });
    agent.set_fault("agent.wait", &error);
    let failed = stage.asks().await;
    assert_eq!(failed["fault"], json!("model"), "{failed:#}");
    assert_eq!(failed["result"]["error"]["code"], json!("model_failed"));
    assert_eq!(stage.outages().await, json!([]));

    // Its settings are proven; a gateway that refuses is the host's affair.
    let refuse = json!({ "mode": "refuse", "code": "INVALID_REQUEST", "message": "no key for the model" });
    agent.set_fault("agent", &refuse);
    let failed = stage.asks().await;
    assert_eq!(
        (&failed["status"], &failed["fault"]),
        (&json!("failed"), &json!("error")),
        "{failed:#}"
    );
    assert_eq!(failed["result"]["error"]["code"], json!("turn_refused"));
    assert_eq!(stage.outages().await, json!([null]));

    agent.set_fault("none", &refuse);
    assert_eq!(stage.asks().await["status"], json!("done"));
    assert_eq!(stage.outages().await, json!(["answer"]));
    agent.does("undeploy", json!({})).await;
}

#[tokio::test]
async fn an_agent_that_is_just_starting_is_waited_for() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    agent.does("deploy", json!({})).await;
    agent.does("stop", json!({})).await;
    stage
        .run("update agents set billing = 'paid', desired_state = 'running'")
        .await;
    stage.run(ASK).await;
    eventually("the canary is with the host", SOON, async || {
        let row = stage.admin.query_one(
            "select count(*) from agent_canaries where status = 'running'",
            &[],
        );
        row.await.expect("count").get::<_, i64>(0) == 1
    })
    .await;
    agent.does("start", json!({})).await;
    assert_eq!(stage.asks().await["status"], json!("done"));
    agent.does("undeploy", json!({})).await;
}

#[tokio::test]
async fn a_host_that_says_that_the_agent_is_not_there_is_not_taken_for_silent() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow("failed agent_canaries");
    let _worker = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    agent.does("deploy", json!({})).await;
    agent.does("stop", json!({})).await;
    stage.run(ASK_STOPPED).await;
    let failed = stage.asks().await;
    assert_eq!(failed["fault"], json!("error"), "{failed:#}");
    assert_eq!(failed["result"]["error"]["code"], json!("gateway_unavailable"));
    agent.does("undeploy", json!({})).await;
}

#[tokio::test]
async fn an_agent_of_the_hosts_gateway_is_asked_there() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    give_gateway(&station, &whole());
    let setup = station.setup().env("CREEL_KEEP_GATEWAY", "true");
    let worker = station.started_with(&setup).await;
    let view = until(&station, "ready", SOON).await;
    let request = stage.request(SCOUT).await;
    stage.done(request).await;
    stage.run("update agents set billing = 'paid'").await;
    assert_eq!(stage.asks().await["status"], json!("done"));
    drop(worker);
    kill_process(pid(&view), Signal::KILL).expect("end the gateway");
}
