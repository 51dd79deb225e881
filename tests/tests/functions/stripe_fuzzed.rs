//! Whatever comes as a delivery is read or refused, and ends nothing.

use creel_core::secret::Secret;
use creel_functions::stripe::Event;
use creel_functions::stripe::signature::{SigningSecrets, sign};
use serde_json::json;

use crate::malformed::Seeded;
use crate::signer::SECRET;

const NOW: u64 = 1_795_219_200;

/// Bytes that are nearly a delivery: pieces of good ones, and of what breaks readers.
fn text(seeded: &mut Seeded, pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..seeded.below(7) {
        match seeded.below(8) {
            0 => {
                let count = seeded.below(40);
                bytes.extend((0..count).map(|_| seeded.next().to_le_bytes()[0]));
            }
            1 => bytes.extend(seeded.next().to_string().bytes()),
            _ => bytes.extend(pieces[seeded.below(pieces.len())]),
        }
    }
    bytes
}

fn damage(seeded: &mut Seeded, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = seeded.below(bytes.len());
    match seeded.below(5) {
        0 => bytes[at] = seeded.next().to_le_bytes()[0],
        1 => drop(bytes.remove(at)),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, seeded.next().to_le_bytes()[0]),
        _ => bytes.extend_from_within(at..),
    }
}

/// Answers how many were signed, and how many of these were events.
fn fuzz(count: usize, seed: u64) -> (usize, usize) {
    const HEADERS: [&[u8]; 16] = [
        b"t=",
        b"v1=",
        b"v0=",
        b",",
        b"=",
        b" ",
        b"t=1795219200",
        b"t=-1",
        b"t=18446744073709551615",
        b"\xff",
        b"\0",
        b"v1=00",
        b"0000000000000000000000000000000000000000000000000000000000000000",
        b"t=0",
        b",,,,",
        b"\xc3\xa9",
    ];
    const BODIES: [&[u8]; 16] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"id\":\"evt_1\"",
        b",",
        b":",
        b"\"object\":\"event\"",
        b"null",
        b"1e999",
        b"\"\\ud800\"",
        b"\\u0000",
        b"\xff",
        b"\"type\":\"v1.x\"",
        b"[[[[[[[[[[[[[[[[",
        b"\"created\":1",
    ];
    let secrets: SigningSecrets = SECRET.parse().expect("secrets");
    let secret = Secret::new(SECRET);
    let good = json!({
        "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_795_219_200, "account": "acct_1",
        "data": { "object": { "id": "in_1", "object": "invoice", "metadata": { "a": "b" } } },
    });
    let good = good.to_string().into_bytes();
    let mut seeded = Seeded(seed);
    let (mut signed, mut events) = (0, 0);
    for _ in 0..count {
        let mut body = if seeded.below(2) == 0 {
            good.clone()
        } else {
            text(&mut seeded, &BODIES)
        };
        for _ in 0..seeded.below(3) {
            damage(&mut seeded, &mut body);
        }
        let mut header = if seeded.below(2) == 0 {
            sign(&body, &secret, NOW).expect("signed").into_bytes()
        } else {
            text(&mut seeded, &HEADERS)
        };
        for _ in 0..seeded.below(4).saturating_sub(1) {
            damage(&mut seeded, &mut header);
        }
        let headers = vec![header.as_slice(); 1 + usize::from(seeded.below(20) == 0)];
        match Event::verified(headers, &body, &secrets, NOW) {
            Ok(event) => {
                signed += 1;
                events += 1;
                assert!(event.id().starts_with("evt_") && !event.kind().is_empty());
            }
            Err(failure) => {
                assert_eq!(failure.status, 400);
                signed += usize::from(failure.code != "bad_signature");
            }
        }
    }
    (signed, events)
}

#[test]
fn twenty_thousand_odd_deliveries_end_nothing() {
    let (signed, events) = fuzz(20_000, 20_261_121);
    assert!(
        signed > 200 && events > 200 && signed > events,
        "all kinds occur: {signed} {events}"
    );
}

#[test]
fn slow_a_million_odd_deliveries_end_nothing() {
    let (signed, events) = fuzz(1_000_000, 1_795_219_200);
    assert!(
        signed > 10_000 && events > 10_000 && signed > events,
        "all kinds occur: {signed} {events}"
    );
}
