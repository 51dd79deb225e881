//! What a refusal of the Data API means, in our own words.

use axum::http::StatusCode;
use serde_json::Value;

use crate::caller::unauthenticated;
use crate::failure::Failure;

/// The transaction was rolled back, or never began: nothing has happened, and the next attempt may succeed.
const NOTHING_HAPPENED: [&str; 8] = [
    "40001", "40P01", "55P03", "53300", "PGRST000", "PGRST001", "PGRST002", "PGRST003",
];

/// This project has no Creel: PostgREST, or Postgres, does not know a table or function.
const NOT_INSTALLED: [&str; 6] = ["PGRST202", "PGRST204", "PGRST205", "42P01", "42703", "42883"];

/// What PostgREST answered, or whatever stands before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) status: u16,
    /// The SQLSTATE, or PostgREST's own code; empty where there is none.
    pub(crate) code: &'a str,
    pub(crate) details: &'a str,
}

impl<'a> Refused<'a> {
    pub(crate) fn of(status: u16, body: &'a Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        Self {
            status,
            code: text("code"),
            details: text("details"),
        }
    }
}

/// What was refused, and whether it may be asked again.
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    pub(crate) nothing_happened: bool,
}

impl Refusal {
    /// What the refusal means; `explained` is what it means to this caller.
    pub(crate) fn of(refused: Refused<'_>, explained: Option<Failure>) -> Self {
        let Refused {
            status,
            code,
            details,
        } = refused;
        Self {
            failure: explained.unwrap_or_else(|| plan_failure(status, code, details)),
            nothing_happened: NOTHING_HAPPENED.contains(&code),
        }
    }
}

fn plan_failure(status: u16, code: &str, details: &str) -> Failure {
    if NOT_INSTALLED.contains(&code) {
        return Failure::new(
            StatusCode::BAD_GATEWAY,
            "not_installed",
            "this Supabase project has no Creel, or an older one",
            "apply the migrations with supabase db push",
        );
    }
    match (status, code) {
        // PostgREST gives a code to everything; the gateway before it, which knows keys only, gives none.
        (401, "") => Failure::new(
            StatusCode::BAD_GATEWAY,
            "misconfigured",
            "the project does not know the function's publishable key",
            "correct SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY of the function",
        ),
        (401, _) => unauthenticated(),
        (403, _) | (_, "42501") => Failure::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "you are no member of this project, or your role does not allow it",
            "ask an owner of the project",
        ),
        (404, _) if details == "unknown_agent" => Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_agent",
            "the project has no such agent",
            "GET /agents/runtime shows what is there",
        ),
        (404, _) if details == "unknown_version" => Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_version",
            "the document has no such version",
            "GET …/history shows which there are; old ones go after a while, and an owner may have erased it",
        ),
        (404, _) if details == "unknown_project" => Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_project",
            "you are no member of such a project",
            "ask an owner of the project",
        ),
        (404, "") => Failure::new(
            StatusCode::BAD_GATEWAY,
            "misconfigured",
            "there is no Data API at the function's URL",
            "correct SUPABASE_URL of the function",
        ),
        (404, _) => Failure::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such row in your projects",
            "it may have been removed meanwhile",
        ),
        (409, _) => conflict(details),
        (413, _) => Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "a value is too large",
            "send less at once",
        ),
        (429, "PT429") => Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "quota",
            "a quota of the project is used up",
            "wait until open requests are done, remove agents, or ask the operator to raise the limit",
        ),
        (429, _) => Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "the project gets too many requests",
            "wait a moment, and try again",
        ),
        (504, _) | (_, "57014") => timed_out(),
        (400..500, _) => Failure::invalid(
            "the project does not take these values",
            "see that each is of a usual length and form",
        ),
        _ => unavailable(),
    }
}

fn conflict(details: &str) -> Failure {
    let (code, message, hint) = match details {
        "idempotency_key" => (
            "idempotency_conflict",
            "this Idempotency-Key was used for another request",
            "use a new key for a new request",
        ),
        "open_request" => (
            "open_request",
            "another request for this agent, with other values, is open",
            "wait until it has ended, and ask again",
        ),
        _ => (
            "conflict",
            "it contradicts what is there already",
            "look at the agent, and ask again",
        ),
    };
    Failure::new(StatusCode::CONFLICT, code, message, hint)
}

/// The project takes too long.
pub(crate) fn timed_out() -> Failure {
    Failure::new(
        StatusCode::GATEWAY_TIMEOUT,
        "project_timed_out",
        "the Supabase project took too long to answer",
        "try again; asking twice for an agent makes one",
    )
}

/// The project is not there.
pub(crate) fn unavailable() -> Failure {
    Failure::new(
        StatusCode::BAD_GATEWAY,
        "project_unavailable",
        "the Supabase project does not answer as it should",
        "try again; if it stays so, see whether the project is paused",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, code: &str, details: &str) -> (u16, String) {
        let body = json!({
            "code": code, "details": details, "message": "insert into public.agents", "hint": "select 1",
        });
        let failure = Refusal::of(Refused::of(status, &body), None).failure;
        let said = format!("{failure:?}");
        assert!(!said.contains("public.") && !said.contains("select"), "{said}");
        (failure.status.as_u16(), failure.code.into_owned())
    }

    #[test]
    fn each_refusal_has_a_status_and_a_code_of_ours() {
        for (given, status, code) in [
            ((401, "PGRST301", ""), 401, "unauthenticated"),
            ((401, "42501", ""), 401, "unauthenticated"),
            ((401, "", ""), 502, "misconfigured"),
            ((403, "42501", ""), 403, "forbidden"),
            ((404, "PT404", "unknown_agent"), 404, "unknown_agent"),
            ((404, "PT404", "unknown_version"), 404, "unknown_version"),
            ((404, "PT404", "unknown_project"), 404, "unknown_project"),
            ((404, "PGRST202", ""), 502, "not_installed"),
            ((409, "PT409", "open_request"), 409, "open_request"),
            ((409, "PT409", "idempotency_key"), 409, "idempotency_conflict"),
            ((409, "23505", "Key (id)=(1) already exists."), 409, "conflict"),
            ((400, "23514", "Failing row contains (1)"), 422, "invalid"),
            ((400, "22P05", ""), 422, "invalid"),
            ((413, "PT413", ""), 413, "too_large"),
            ((429, "PT429", ""), 429, "quota"),
            ((429, "", ""), 429, "rate_limited"),
            ((500, "57014", ""), 504, "project_timed_out"),
            ((504, "PGRST003", ""), 504, "project_timed_out"),
            ((503, "PGRST001", ""), 502, "project_unavailable"),
            ((540, "", ""), 502, "project_unavailable"),
            ((302, "", ""), 502, "project_unavailable"),
        ] {
            assert_eq!(
                of(given.0, given.1, given.2),
                (status, code.to_owned()),
                "{given:?}"
            );
        }
    }

    #[test]
    fn only_what_changed_nothing_is_asked_again() {
        let again = |code: &str| {
            let body = json!({ "code": code });
            Refusal::of(Refused::of(500, &body), None).nothing_happened
        };
        assert!(again("40P01") && again("55P03") && again("PGRST001"));
        assert!(!again("57014") && !again("42501") && !again(""));
    }
}
