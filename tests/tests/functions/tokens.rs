//! Who gets what: the function hands the token on, and row security decides.

use serde_json::json;

use crate::stage::{Answer, SCOUT, Stage};

struct Tried {
    provision: Answer,
    runtime: Answer,
    remove: Answer,
}

impl Tried {
    async fn with(stage: &Stage, token: &str) -> Self {
        let body = json!({ "agentKey": SCOUT });
        Self {
            provision: stage.ask(token, "/agents/provision", &body).await,
            runtime: stage.runtime(token).await,
            remove: stage.remove(token, SCOUT).await,
        }
    }

    fn refused(&self) -> [(u16, &str); 3] {
        [
            self.provision.refused(),
            self.runtime.refused(),
            self.remove.refused(),
        ]
    }
}

#[tokio::test]
async fn owners_and_editors_ask_see_and_remove() {
    let stage = Stage::new().await;
    let editor = stage.member("editor").await;
    for person in [&stage.owner, &editor] {
        let tried = Tried::with(&stage, &person.jwt).await;
        assert_eq!(tried.provision.status, 202, "{:?}", tried.provision);
        assert_eq!(tried.provision.body["status"], json!("queued"));
        assert_eq!(tried.provision.body["agentKey"], json!(SCOUT));
        assert_eq!(tried.runtime.status, 200, "{:?}", tried.runtime);
        assert_eq!(tried.remove.status, 200, "{:?}", tried.remove);
        assert_eq!(tried.remove.body["status"], json!("removed"));
    }
    assert_eq!(stage.count("agents").await, 0);
}

#[tokio::test]
async fn a_viewer_only_sees() {
    let stage = Stage::new().await;
    let viewer = stage.member("viewer").await;
    assert_eq!(stage.provision(SCOUT).await.status, 202);
    let tried = Tried::with(&stage, &viewer.jwt).await;
    assert_eq!(tried.provision.refused(), (403, "forbidden"));
    assert_eq!(tried.runtime.status, 200, "{:?}", tried.runtime);
    assert_eq!(tried.remove.refused(), (403, "forbidden"));
    assert_eq!(stage.count("agents").await, 1);
    assert_eq!(stage.count("agent_provision_requests").await, 1);
}

#[tokio::test]
async fn a_member_of_another_project_gets_nothing() {
    let stage = Stage::new().await;
    assert_eq!(stage.provision(SCOUT).await.status, 202);
    let stranger = stage
        .db
        .user("stranger@example.com")
        .await
        .expect("make a person");
    stage.db.project(&stranger).await.expect("make a project");
    let tried = Tried::with(&stage, &stranger.jwt).await;
    assert_eq!(tried.refused(), [(403, "forbidden"); 3]);
    let missing = json!({ "agentKey": SCOUT, "projectId": "no-such-project" });
    let missing = stage.ask(&stranger.jwt, "/agents/provision", &missing).await;
    assert_eq!(
        missing.body, tried.provision.body,
        "nobody learns which projects there are"
    );
    assert_eq!(stage.count("agent_provision_requests").await, 1);
}

#[tokio::test]
async fn a_token_that_is_not_good_gets_nothing() {
    let stage = Stage::new().await;
    let secret = stage.jwt_secret();
    let expired = stage.token(&stage.owner, -3600, &secret);
    let forged = stage.token(
        &stage.owner,
        3600,
        "another secret, which is as long as it has to be",
    );
    let mut changed = stage.owner.jwt.clone();
    changed.replace_range(changed.len() - 4.., "AAAA");
    let unsigned = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.";
    for token in [&expired, &forged, &changed, unsigned, "a.b.c", "not-a-token", ""] {
        let tried = Tried::with(&stage, token).await;
        assert_eq!(tried.refused(), [(401, "unauthenticated"); 3], "{token}");
    }
    let anon =
        creel_local::gateway::token::role_token(&stage.db.cluster().keys.jwt_secret, "anon").expect("sign");
    assert_eq!(
        Tried::with(&stage, &anon).await.refused(),
        [(401, "unauthenticated"); 3],
        "the role anon"
    );
    stage.proxy.calls();
    for key in [stage.rest.publishable_key(), stage.rest.secret_key()] {
        let tried = Tried::with(&stage, key).await;
        assert_eq!(
            tried.refused(),
            [(401, "unauthenticated"); 3],
            "a key is no token"
        );
    }
    assert_eq!(stage.proxy.calls(), [""; 0], "a key is not even handed on");
    assert_eq!(stage.count("agents").await, 0);
    let good = stage.token(&stage.owner, 3600, &secret);
    assert_eq!(Tried::with(&stage, &good).await.provision.status, 202);
}
