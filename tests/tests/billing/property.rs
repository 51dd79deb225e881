//! The life of a subscription, told in any order, more than once, and several events at the same time, ends as the life that
//! was told in order does: one agent, each effect once, and the ledger's sum right.
//!
//! A case that fails prints its seed; `CREEL_BILLING_SEED` repeats it alone.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use crate::chance::Chance;
use crate::life::{INTENTS, Life};
use crate::town::{DOORS, Town};
use crate::world::{Told, World};

/// Towns that live beside each other, each with a database of its own.
const TOWNS: usize = 3;

/// How often Stripe tells again what was not taken, and then some.
const ROUNDS_MAX: usize = 12;

/// More would tell nothing new.
const FAULTS_MAX: usize = 3;

/// How far back a life begins.
const BEGAN_DAYS_AGO: usize = 120;

/// The same life in order, as it happens.
async fn tell_in_order(world: &World<'_>, town: &Town, life: &mut Life, chance: &Chance) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(events) = life.step() {
        for event in &events {
            let told = world.of_life(life, event.clone());
            let at = life.stripe.now_secs();
            let told = world.deliver(life, 0, &told, at, usize::MAX).await;
            assert_eq!(told, Told::Settled, "in order: {event}");
        }
        all.extend(events);
        if chance.one_in(3) {
            town.work().await;
        }
    }
    all
}

/// The events in any order, some of them several times, at several doors at once, by a function that dies at times.
async fn tell_anyhow(world: &World<'_>, town: &Town, life: &Life, events: &[Value], chance: &Chance) {
    let mut left: Vec<Value> = Vec::new();
    for event in events {
        for _ in 0..1 + chance.below(3) / 2 {
            left.push(event.clone());
        }
    }
    let fetched_at = life.stripe.now_secs() + chance.of(&[0, 1, 60]);
    for round in 0..ROUNDS_MAX {
        shuffle(&mut left, chance);
        let queue = Mutex::new(VecDeque::from(std::mem::take(&mut left)));
        let again = Mutex::new(Vec::new());
        let deliveries = (0..DOORS).map(|door| {
            let (queue, again) = (&queue, &again);
            async move {
                loop {
                    let next = queue.lock().expect("no holder of this lock panics").pop_front();
                    let Some(event) = next else { return };
                    let dies_after = if round < 3 && chance.one_in(8) {
                        1 + chance.below(3)
                    } else {
                        usize::MAX
                    };
                    match world.deliver(life, door, &event, fetched_at, dies_after).await {
                        Told::Settled => {}
                        Told::Again(why) => {
                            assert!(!why.contains("deadlock"), "{event}: {why}");
                            again
                                .lock()
                                .expect("no holder of this lock panics")
                                .push((event, why));
                        }
                    }
                }
            }
        });
        // Its host is at it meanwhile, and so is the clock.
        let visits: Vec<bool> = (0..chance.below(4)).map(|_| chance.one_in(2)).collect();
        let working = async {
            for is_swept in visits {
                if is_swept {
                    town.sweep().await;
                } else {
                    town.work().await;
                }
            }
        };
        futures_util::future::join(futures_util::future::join_all(deliveries), working).await;
        let again = again.into_inner().expect("no holder of this lock panics");
        if again.is_empty() {
            return;
        }
        assert!(round + 1 < ROUNDS_MAX, "not taken: {again:#?}");
        left = again.into_iter().map(|(event, _)| event).collect();
    }
}

fn shuffle(events: &mut [Value], chance: &Chance) {
    // Now and then in the other order.
    if chance.one_in(10) {
        events.reverse();
        return;
    }
    for last in (1..events.len()).rev() {
        events.swap(last, chance.below(last + 1));
    }
}

/// The ledger's sum, what Stripe did about it, and what hosts were asked for.
async fn check_effects(world: &World<'_>, town: &Town, earned: i64) {
    town.settle().await;
    town.sweep().await;
    town.sweep().await;
    let (sum, corrections) = world.ledger().await;
    assert_eq!(sum, earned, "the ledger's sum is what the owner is to have");
    assert_eq!(town.came_back(), -corrections, "and Stripe did it");
    let commands = world.commands().await;
    let wishes: Vec<&str> = commands
        .iter()
        .map(|kind| if kind == "start" { "deploy" } else { kind.as_str() })
        .collect();
    // One that is paid for again and ends before anybody hears of it was never there, and its place is given back.
    assert!(
        wishes
            .windows(2)
            .all(|two| two[0] != two[1] || two[0] == "undeploy" && world.is_paid_again()),
        "each is asked for once: {commands:?}"
    );
    assert_eq!(world.open_items().await, Value::Null, "all is done");
}

async fn run_case(town: &Town, seed: u64) {
    let chance = Chance::new(seed);
    let now = jiff::Timestamp::now().as_second();
    let began = now - 86_400 * i64::try_from(chance.below(BEGAN_DAYS_AGO)).expect("it is small");
    let mut life = Life::new(chance.clone(), INTENTS[0], began).await;
    let mut next = None;
    town.forget_what_came_back();
    let mut ordered = World::new(town, format!("o{seed}"), "_o").await;
    let events = tell_in_order(&ordered, town, &mut life, &chance).await;
    let mut earned = life.earned();
    check_effects(&ordered, town, earned).await;
    if life.has_ended() && chance.one_in(2) {
        ordered.checkout_again().await;
        let began = life.stripe.now_secs() + 60;
        let mut second = Life::new(chance.clone(), INTENTS[1], began).await;
        let events = tell_in_order(&ordered, town, &mut second, &chance).await;
        earned += second.earned();
        check_effects(&ordered, town, earned).await;
        next = Some((second, events));
    }
    let expected = ordered.end().await;
    assert_eq!(expected["waiting"], Value::Null);
    let agent_count = expected["agents"].as_array().map_or(0, Vec::len);
    assert_eq!(agent_count, usize::from(life.is_paid()), "{expected}");

    town.forget_what_came_back();
    let mut anyhow = World::new(town, format!("a{seed}"), "_a").await;
    let told: Vec<Value> = events
        .iter()
        .map(|event| anyhow.of_life(&life, event.clone()))
        .collect();
    tell_anyhow(&anyhow, town, &life, &told, &chance).await;
    if chance.one_in(2) {
        town.sweep().await;
    }
    if let Some((second, events)) = &next {
        anyhow.checkout_again().await;
        // What was told of the first is told once more beside what is told of the second.
        let late = told.iter().filter(|_| chance.one_in(3)).cloned();
        let new = events.iter().map(|event| anyhow.of_life(second, event.clone()));
        let told: Vec<Value> = late.chain(new).collect();
        tell_anyhow(&anyhow, town, second, &told, &chance).await;
    }
    town.work().await;
    check_effects(&anyhow, town, earned).await;
    let found = anyhow.end().await;
    if found != expected {
        let second = next.map(|(_, events)| events).unwrap_or_default();
        let kinds: Vec<_> = events
            .iter()
            .chain(&second)
            .map(|e| format!("{} {} {}", e["created"], e["type"], e["data"]["object"]["status"]))
            .collect();
        panic!("{}\n{kinds:#?}", differences(&expected, &found));
    }
    ordered.tear_down().await;
    anyhow.tear_down().await;
}

fn differences(expected: &Value, found: &Value) -> String {
    let members = expected.as_object().expect("an object").keys();
    let differ = members.filter(|name| expected[*name] != found[*name]);
    differ
        .map(|name| {
            format!(
                "{name}:\n  in order {}\n  anyhow   {}\n",
                expected[name], found[name]
            )
        })
        .collect()
}

/// What is wrong with a case, with its seed; none if it is as it is to be.
async fn fault_of(town: &Town, seed: u64) -> Option<String> {
    let ran = std::panic::AssertUnwindSafe(run_case(town, seed));
    let thrown = futures_util::FutureExt::catch_unwind(ran).await.err()?;
    let said = thrown.downcast_ref::<String>().cloned();
    let said = said.or_else(|| thrown.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!("CREEL_BILLING_SEED={seed}: {}", said.unwrap_or_default()))
}

async fn run_cases(first: u64, count: u64) {
    let seed = std::env::var("CREEL_BILLING_SEED").ok();
    if let Some(seed) = seed.map(|seed| seed.parse().expect("a seed")) {
        assert_eq!(fault_of(&Town::new().await, seed).await, None);
        return;
    }
    let next = AtomicU64::new(first);
    let towns = (0..TOWNS).map(|_| async {
        let mut town = Town::new().await;
        let mut faults = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || faults.len() == FAULTS_MAX {
                return faults;
            }
            if let Some(fault) = fault_of(&town, seed).await {
                faults.push(fault);
                // Whatever it left.
                town = Town::new().await;
            }
        }
    });
    let faults = futures_util::future::join_all(towns).await.concat();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_order_a_life_ends_the_same() {
    run_cases(0, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_whatever_the_order_ten_thousand_lives_end_the_same() {
    run_cases(1_000, 10_000).await;
}
