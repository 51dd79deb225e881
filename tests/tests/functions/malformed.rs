//! Whatever an event is, it gets an answer and ends nothing.

use serde_json::{Map, Value, json};

use crate::emulator::{Emulator, event};
use crate::stage::{SCOUT, Stage};

/// The same events in every run.
pub struct Seeded(pub u64);

impl Seeded {
    /// Splitmix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("a size")).expect("a size")
    }

    fn text(&mut self) -> String {
        const ODD: [&str; 16] = [
            "", "/", "//", "%", "%zz", "%ff", " ", "\u{0}", "\r\nx: y", "🦞", "../..", "http://[", "=",
            "\u{feff}", "{}", "a?b#c",
        ];
        let parts = self.below(4);
        (0..parts).map(|_| ODD[self.below(ODD.len())]).collect()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next()),
            3 => json!(-1.5e300),
            4 | 5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let members: Map<String, Value> = (0..self.below(4))
                    .map(|_| (self.text(), self.value(depth - 1)))
                    .collect();
                Value::Object(members)
            }
        }
    }

    /// One place somewhere inside is something else, or is gone.
    fn damage(&mut self, value: &mut Value) {
        let Value::Object(members) = value else {
            *value = self.value(2);
            return;
        };
        let names: Vec<String> = members.keys().cloned().collect();
        if names.is_empty() || self.below(8) == 0 {
            members.insert(self.text(), self.value(2));
            return;
        }
        let name = &names[self.below(names.len())];
        match self.below(4) {
            0 => drop(members.remove(name)),
            1 => drop(members.insert(name.clone(), self.value(2))),
            _ => self.damage(&mut members[name]),
        }
    }
}

fn plan_event(seeded: &mut Seeded, good: &Value) -> Vec<u8> {
    let mut event = good.clone();
    for _ in 0..=seeded.below(3) {
        seeded.damage(&mut event);
    }
    let text = event.to_string();
    match seeded.below(10) {
        // Cut off, not UTF-8, too deep, or something else altogether.
        0 => text.as_bytes()[..seeded.below(text.len())].to_vec(),
        1 => {
            let mut bytes = text.into_bytes();
            let at = seeded.below(bytes.len());
            bytes[at] = 0xff;
            bytes
        }
        2 => seeded.value(4).to_string().into_bytes(),
        3 => "[".repeat(seeded.below(2_000)).into_bytes(),
        _ => text.into_bytes(),
    }
}

#[tokio::test]
async fn a_thousand_malformed_events_are_answered_and_end_nothing() {
    let stage = Stage::new().await;
    let mut emulator = Emulator::start(&stage).await;
    let headers = json!({
        "authorization": format!("Bearer {}", stage.owner.jwt),
        "content-type": "application/json",
        "x-clawdos-project": stage.project,
    });
    let body = json!({ "agentKey": SCOUT }).to_string();
    let good = event("POST", "/agents/provision", &headers, Some(&body), false);
    let mut seeded = Seeded(20_261_121);
    let mut answered = [0_u32; 3];
    for number in 0..1_000 {
        let sent = plan_event(&mut seeded, &good);
        let shown = String::from_utf8_lossy(&sent).into_owned();
        let is_json = serde_json::from_slice::<Value>(&sent).is_ok();
        let (status, text) = emulator.invoke(sent).await;
        assert!(
            emulator.is_running(),
            "event {number} ended it: {shown}\n{}",
            emulator.log()
        );
        let answer: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("event {number} is answered with JSON: {status} {text}\n{shown}"));
        match (status, answer["statusCode"].as_u64()) {
            // An answer of ours, which says in our words what is wrong.
            (200, Some(400..=422)) => {
                assert!(text.contains("\\\"hint\\\""), "event {number}: {text}\n{shown}");
                answered[0] += 1;
            }
            // What was damaged did not matter.
            (200, Some(200..=299)) => answered[1] += 1,
            // No JSON at all: Lambda itself never sends that.
            (_, None) if answer["errorType"].is_string() => {
                assert!(!is_json, "event {number}: {text}\n{shown}");
                answered[2] += 1;
            }
            other => panic!("event {number} is answered with {other:?}: {text}\n{shown}"),
        }
    }
    assert!(
        answered.iter().all(|&count| count > 20),
        "all kinds occur: {answered:?}"
    );
    let (status, answer) = emulator.ask(&good).await;
    assert_eq!(status, 202, "and then it works: {answer}");
}
