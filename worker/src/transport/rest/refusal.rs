//! Sorts what the Data API, and whoever stands before it, says.

use std::time::Duration;

use serde_json::Value;

use super::super::error::{CallError, is_passing};

/// More of a page that a proxy made does not help anybody.
const MAX_SAID_CHARS: usize = 200;

/// An answer that is no success.
#[derive(Debug, thiserror::Error)]
#[error("the Data API answered {status}: {said}")]
struct Answered {
    status: u16,
    said: String,
}

/// A refusal, and what follows from it beside the call's failure.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: CallError,
    /// The way is not known to be open any more.
    pub(super) is_cut: bool,
    /// How long to wait, as the other side wishes.
    pub(super) pause: Option<Duration>,
}

/// What an answer with this status and body means. `retry_after` is the header of that name.
pub(super) fn classify(status: u16, retry_after: Option<&str>, body: &[u8]) -> Refusal {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let code = value["code"].as_str().unwrap_or_default();
    // Whoever stands between has words of its own there.
    let code = if is_of_the_api(code) { code } else { "" };
    let said = words(&value, body);
    let from_database = code.len() == 5;
    let answered = || Answered {
        status,
        said: said.clone(),
    };
    let error = CallError::of_sqlstate(code, &said).unwrap_or_else(|| match (code, status) {
        ("PT401", _) => CallError::KeyRefused(said.clone()),
        // The function, or the schema, is not there: PostgREST has looked.
        ("PGRST202" | "PGRST106", _) => CallError::NoSchema(said.clone()),
        (code, _) if from_database && is_passing(code) => CallError::Unavailable(answered().into()),
        ("", 401 | 403 | 404) => CallError::Stranger(format!("{said} ({status})")),
        (_, 401 | 403) => CallError::DoorClosed(format!("{said} ({status})")),
        (_, 404) => CallError::NoSchema(format!("nothing is at data_api_url: {said} ({status})")),
        // The database itself says that the call is wrong: it comes to the same every time.
        (code, 500..) if from_database && !code.starts_with("PT") => CallError::Refused(answered().into()),
        // A bill that is not paid, a limit of calls, a project that sleeps (540), a gateway without what is behind it.
        (_, 402 | 408 | 425 | 429 | 500..) => CallError::Unavailable(answered().into()),
        // What is too large for whoever stands before the database is so the next time.
        ("", 413) => CallError::Refused(answered().into()),
        ("", _) => CallError::Nonsense(answered().into()),
        _ => CallError::Refused(answered().into()),
    });
    let wished = retry_after.and_then(|text| text.trim().parse().ok());
    Refusal {
        is_cut: status >= 500 && !from_database,
        pause: wished.filter(|_| error.is_passing()).map(Duration::from_secs),
        error,
    }
}

/// Whether a code is PostgREST's, or one of the database: Creel's among them.
fn is_of_the_api(code: &str) -> bool {
    let is_sqlstate = code.len() == 5
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_sqlstate || code.starts_with("PGRST")
}

/// What was said, short and on one line.
fn words(value: &Value, body: &[u8]) -> String {
    let message = value["message"].as_str().or_else(|| value["msg"].as_str());
    let text = match message {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let line: Vec<_> = text.split_whitespace().collect();
    let line = line.join(" ");
    if line.is_empty() {
        return "it said nothing".to_owned();
    }
    let printable = line.chars().filter(|char| !char.is_control());
    printable.take(MAX_SAID_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(status: u16, body: &str) -> CallError {
        classify(status, None, body.as_bytes()).error
    }

    #[test]
    fn each_refusal_is_known_for_what_it_is() {
        let of = |code: &str| format!(r#"{{"code":"{code}","message":"said","details":null,"hint":null}}"#);
        assert!(matches!(sorted(401, &of("PT401")), CallError::KeyRefused(said) if said == "said"));
        assert!(matches!(sorted(426, &of("PT426")), CallError::UpgradeNeeded(_)));
        assert!(matches!(sorted(401, &of("42501")), CallError::NotAHost(_)));
        assert!(matches!(sorted(404, &of("PGRST202")), CallError::NoSchema(_)));
        assert!(matches!(sorted(404, "<html>"), CallError::Stranger(_)));
        assert!(matches!(
            sorted(401, r#"{"message":"Invalid API key","hint":"x"}"#),
            CallError::Stranger(said) if said.contains("Invalid API key")
        ));
        assert!(matches!(sorted(403, "<html>no</html>"), CallError::Stranger(_)));
        assert!(matches!(sorted(404, &of("not_found")), CallError::Stranger(_)));
        assert!(matches!(sorted(401, &of("PGRST301")), CallError::DoorClosed(_)));
        assert!(matches!(sorted(500, &of("XX000")), CallError::Refused(_)));
        assert!(matches!(sorted(400, &of("22023")), CallError::Refused(_)));
        assert!(matches!(sorted(413, ""), CallError::Refused(_)));
        assert!(matches!(sorted(302, ""), CallError::Nonsense(_)));
        assert!(
            matches!(sorted(426, "<html>use TLS</html>"), CallError::Nonsense(_)),
            "a proxy does not end a worker"
        );
    }

    #[test]
    fn what_passes_is_tried_again_and_only_a_gateway_without_a_database_cuts_the_way() {
        for (status, code, is_cut) in [
            (500, "40001", false),
            (500, "57014", false),
            (500, "55P03", false),
            (503, "PGRST001", true),
            (504, "PGRST003", true),
            (502, "", true),
            (540, "", true),
            (500, "PT500", false),
            (429, "PT429", false),
            (402, "", false),
        ] {
            let body = format!(r#"{{"code":"{code}","message":"m"}}"#);
            let refusal = classify(status, None, body.as_bytes());
            assert!(refusal.error.is_passing(), "{status} {code}");
            assert_eq!(refusal.is_cut, is_cut, "{status} {code}");
        }
    }

    #[test]
    fn a_wished_pause_is_read_and_a_page_is_cut_short() {
        let refusal = classify(429, Some(" 7 "), "x\n".repeat(9_999).as_bytes());
        assert_eq!(refusal.pause, Some(Duration::from_secs(7)));
        assert!(refusal.error.chain().len() < 2 * MAX_SAID_CHARS);
        for text in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(classify(503, Some(text), b"").pause, None, "{text}");
        }
        assert_eq!(classify(400, Some("7"), b"").pause, None);
    }
}
