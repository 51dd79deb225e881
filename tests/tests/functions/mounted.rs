//! The same function inside the local stack, as a page finds it.

use creel_local::gateway::http;
use creel_tests::db::TestDb;
use serde_json::{Value, json};

#[tokio::test]
async fn the_local_stack_serves_it_under_functions_v1() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the local stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let client = http::client().expect("make a client");
    for prefix in ["/functions/v1", "/functions/v1/api"] {
        let url = format!("{}{prefix}/agents/provision", rest.url());
        let question = client
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", "http://localhost:5173")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,x-clawdos-project",
            );
        let question = question.send().await.expect("it answers");
        assert!(question.status().is_success());
        let allowed = question.headers().get_all("access-control-allow-origin");
        assert_eq!(allowed.iter().collect::<Vec<_>>(), ["http://localhost:5173"]);

        let body = json!({ "agentKey": "agent:scout:main" });
        let request = client.post(&url).bearer_auth(&owner.jwt).json(&body);
        let answer = request
            .header("x-clawdos-project", &project)
            .header("origin", "http://localhost:5173")
            .send()
            .await
            .expect("it answers");
        assert_eq!(answer.status(), 202);
        let allowed = answer.headers().get_all("access-control-allow-origin");
        assert_eq!(allowed.iter().count(), 1, "two would be none for a browser");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["agentKey"], json!("agent:scout:main"));

        let refused = client.post(&url).bearer_auth("a.b.c").json(&json!({}));
        let refused = refused.header("origin", "https://evil.example").send().await;
        let refused = refused.expect("it answers");
        assert_eq!(refused.headers().get("access-control-allow-origin"), None);
    }
    let unknown = client
        .get(format!("{}/functions/v1/nothing", rest.url()))
        .send()
        .await;
    let unknown = unknown.expect("it answers");
    assert_eq!(unknown.status(), 404);
    let unknown: Value = unknown.json().await.expect("JSON");
    assert_eq!(unknown["error"]["code"], json!("no_route"));
}
