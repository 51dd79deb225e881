//! What a row may ask for.

use creel_worker::job::Failure;
use creel_worker::job::provision::{Wish, plan_wish};
use serde_json::{Value, json};

use crate::support::{item, row};

fn wish(change: Value) -> Result<Wish, Failure> {
    plan_wish(&item(&row(change)))
}

fn refused(change: Value) -> Failure {
    let failure = wish(change.clone()).expect_err(&format!("{change} is refused"));
    assert!(!failure.retry && !failure.hint.is_empty(), "{failure:?}");
    failure
}

#[test]
fn names_of_all_people_are_taken_as_they_are() {
    for name in [
        "Scout",
        "Ada \"L.\" O'Neil",
        "🦞🦉",
        "סייר",
        "كشاف الأعماق",
        "-x",
        "$(id)",
        &"é".repeat(200),
    ] {
        assert_eq!(
            wish(json!({"display_name": name}))
                .expect("it is taken")
                .persona
                .name,
            name
        );
    }
}

#[test]
fn names_that_cannot_be_shown_on_one_line_are_refused_with_what_to_do() {
    for name in [
        "a\nb",
        "a\r",
        "a\u{0}b",
        "a\u{1b}[31m",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{2028}b",
    ] {
        let name = format!("{name}c");
        let failure = refused(json!({"display_name": name}));
        assert_eq!(failure.code, "display_name_invalid");
        assert!(failure.message.contains("U+"), "{failure:?}");
    }
    let failure = refused(json!({"display_name": "see ${OPENCLAW_GATEWAY_TOKEN}"}));
    assert_eq!(failure.code, "display_name_invalid");
    let failure = refused(json!({"display_name": "x".repeat(10_240)}));
    assert!(
        failure.message.contains("10240") && failure.message.contains("200"),
        "{failure:?}"
    );
}

#[test]
fn an_agent_without_a_name_is_called_by_its_id() {
    for name in [json!(null), json!(""), json!(" \u{feff}\n ")] {
        assert_eq!(
            wish(json!({"display_name": name}))
                .expect("it is taken")
                .persona
                .name,
            "scout"
        );
    }
    assert_eq!(
        wish(json!({"display_name": " Scout "}))
            .expect("it is taken")
            .persona
            .name,
        "Scout"
    );
}

#[test]
fn ids_that_openclaw_would_change_are_refused_with_the_reason() {
    for id in [
        "..",
        "../x",
        "a/b",
        "a b",
        "Scout",
        "-dash",
        "main",
        "агент",
        &"a".repeat(64),
    ] {
        let failure = refused(json!({"agent_id_short": id, "openclaw_id": null}));
        assert_eq!(failure.code, "agent_id_invalid", "{id}");
        // Also if the database should choose such an id.
        assert_eq!(
            refused(json!({"openclaw_id": id})).code,
            "agent_id_invalid",
            "{id}"
        );
    }
}

#[test]
fn the_id_that_the_database_chose_is_the_one_that_counts() {
    let chosen = wish(json!({"agent_id_short": "scout", "openclaw_id": "scout-2"})).expect("it is taken");
    assert_eq!(chosen.id.as_str(), "scout-2");
    let none = wish(json!({"openclaw_id": null})).expect_err("it was not placed");
    assert_eq!((none.code, none.retry), ("not_placed", true));
}

#[test]
fn emoji_and_role_have_their_bounds() {
    assert_eq!(
        wish(json!({"emoji": "👩‍👩‍👧‍👦"})).expect("it is taken").emoji(),
        Some("👩‍👩‍👧‍👦")
    );
    assert_eq!(wish(json!({"emoji": " "})).expect("it is taken").emoji(), None);
    assert_eq!(refused(json!({"emoji": "🦞".repeat(9)})).code, "emoji_invalid");
    assert_eq!(refused(json!({"emoji": "a\u{7}"})).code, "emoji_invalid");
    assert_eq!(
        wish(json!({"role_short": "finds\n things"}))
            .expect("it is taken")
            .persona
            .role,
        "finds things"
    );
    assert_eq!(
        refused(json!({"role_short": "x".repeat(501)})).code,
        "role_invalid"
    );
}
