//! What the gateway answers where the page is.

use std::path::Path;

use creel_tests::cluster::repo;
use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use reqwest::Response;
use serde_json::{Value, json};

async fn get(rest: &Rest, path: &str) -> Response {
    let http = creel_local::gateway::http::client().expect("make a client");
    http.get(format!("{}{path}", rest.url()))
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .send()
        .await
        .expect("ask the gateway")
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

async fn page(rest: &Rest, path: &str) -> String {
    let response = get(rest, path).await;
    assert_eq!(
        response.status(),
        200,
        "{path}; is it built? npm ci --prefix dashboard && npm run build --prefix dashboard"
    );
    assert!(
        header(&response, "content-security-policy").starts_with("default-src 'none'; script-src 'self'; ")
    );
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    assert_eq!(
        header(&response, "cache-control"),
        "no-store",
        "an update is seen at once"
    );
    response.text().await.expect("read the page")
}

#[tokio::test]
async fn every_address_of_the_page_gives_the_page_and_no_other_does() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let first = page(&rest, "/").await;
    assert_eq!(first, page(&rest, "/p/local/agents/scout?tab=files").await);
    for path in [
        "/rest/v2/agents",
        "/auth/v1/signup",
        "/realtime/v2",
        "/assets/of-an-older-one.js",
        "/.vite/manifest.json",
    ] {
        let response = get(&rest, path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(header(&response, "content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn the_page_brings_no_script_of_its_own_and_its_files_are_kept_for_good() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let html = page(&rest, "/").await;
    for tag in html.split('<').filter(|tag| tag.starts_with("script")) {
        assert!(tag.contains("src=\"/assets/"), "<{tag}");
    }
    for inline in [" onload=", " onclick=", " style=", "<style", "javascript:", "://"] {
        assert!(!html.contains(inline), "{inline} in {html}");
    }
    let mut files = 0;
    for file in html.split('"').filter(|word| word.starts_with("/assets/")) {
        let response = get(&rest, file).await;
        assert_eq!(response.status(), 200, "{file}");
        assert_eq!(
            header(&response, "cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        let kind = if file.ends_with(".js") {
            "text/javascript"
        } else {
            "text/css"
        };
        assert_eq!(header(&response, "content-type"), kind);
        files += 1;
    }
    assert!(files >= 2, "a script and a style sheet: {html}");
}

#[tokio::test]
async fn the_page_is_told_where_its_project_is_and_no_secret() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let response = get(&rest, "/config.json").await;
    assert_eq!(header(&response, "cache-control"), "no-store");
    let told: Value = response.json().await.expect("an object");
    assert_eq!(
        told,
        json!({ "supabaseUrl": "/", "publishableKey": rest.publishable_key() })
    );
}

#[test]
fn no_file_of_the_page_has_a_secret() {
    let mut files = 0;
    each_file(&repo().join("dashboard/dist"), &mut |file, text| {
        files += 1;
        for (at, _) in text.match_indices("sb_secret_") {
            let next = text[at + "sb_secret_".len()..].chars().next();
            let key = next.is_some_and(|c| c.is_ascii_alphanumeric());
            assert!(!key, "{} has a secret key", file.display());
        }
        for (at, _) in text.match_indices("eyJ") {
            let word: String = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
                .collect();
            assert!(
                word.matches('.').count() < 2 || word.len() < 60,
                "{} has a token",
                file.display()
            );
        }
        for word in [
            "-----BEGIN",
            "service_role_key",
            "postgresql://",
            "sk_live_",
            "sk_test_",
            "rk_live_",
            "whsec_",
        ] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    });
    assert!(
        files > 3,
        "the page is not built; run: npm ci --prefix dashboard && npm run build --prefix dashboard"
    );
}

fn each_file(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("read the folder").path();
        if path.is_dir() {
            each_file(&path, look);
        } else {
            let bytes = std::fs::read(&path).expect("read a file");
            look(&path, &String::from_utf8_lossy(&bytes));
        }
    }
}
