//! docs/operations.md says of the functions what is so.

use std::collections::BTreeSet;

use creel_tests::cluster::repo;

use crate::{programs, template};

fn operations() -> String {
    std::fs::read_to_string(repo().join("docs/operations.md")).expect("read the document")
}

/// The rows of the table below a heading, as cells.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let below = text.lines().skip_while(|line| *line != heading).skip(1);
    let below = below.skip_while(|line| !line.starts_with('|'));
    let table = below.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &'a str| line.trim_matches('|').split('|').map(str::trim).collect();
    table.map(cells).collect()
}

/// What stands between backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_table_of_functions_has_them_all_and_says_who_calls() {
    let text = operations();
    let deployed = template::functions();
    let listed = rows(&text, "## The functions on AWS Lambda");
    let listed_names: BTreeSet<String> = listed.iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(listed_names, deployed.keys().cloned().collect());
    for row in listed {
        let name = names(row[0]).pop_first().expect("a name");
        assert_eq!(row[2].contains("URL"), deployed[&name].has_url, "{name}");
        assert_eq!(row[2].contains("clock"), deployed[&name].each_minute, "{name}");
    }
}

#[test]
fn every_secret_has_its_parameter_and_a_way_to_replace_it() {
    let text = operations();
    let listed = rows(&text, "### Secrets");
    let listed: BTreeSet<String> = listed.iter().flat_map(|row| names(row[0])).collect();
    let programs = programs::programs();
    let kept = programs.iter().flat_map(|(name, program)| {
        let secrets = program.secrets.iter();
        secrets.map(move |secret| format!("/creel/{name}/{secret}"))
    });
    assert_eq!(listed, kept.collect());
    let rotated = rows(&text, "### Rotating a secret");
    let rotated: BTreeSet<String> = rotated.iter().flat_map(|row| names(row[0])).collect();
    for secret in programs.values().flat_map(|program| &program.secrets) {
        assert!(rotated.contains(secret), "nothing says how {secret} is replaced");
    }
}

#[test]
fn every_variable_is_explained_for_the_functions_that_read_it() {
    let text = operations();
    let listed = rows(&text, "### What is deployed");
    for (name, program) in programs::programs() {
        let told = listed.iter().filter(|row| {
            let (said, functions) = (row[1], names(row[1]));
            match () {
                () if said.starts_with("all but") => !functions.contains(&name),
                () => said == "all" || functions.contains(&name),
            }
        });
        let told: BTreeSet<String> = told.flat_map(|row| names(row[0])).collect();
        assert_eq!(told, program.documented, "{name}");
    }
}

#[test]
fn every_alarm_says_what_to_do() {
    let text = operations();
    let listed = rows(&text, "### Alarms");
    let functions = template::functions();
    let alarms = functions
        .values()
        .flat_map(|function| function.alarms.keys().cloned());
    // Beside an alarm stand the functions that alone have it.
    let said = listed.iter().flat_map(|row| names(row[0]));
    let said: BTreeSet<String> = said.filter(|name| !functions.contains_key(name)).collect();
    assert_eq!(said, alarms.collect());
}

#[test]
fn stripe_is_asked_for_the_events_that_the_database_handles_and_no_others() {
    let text = operations();
    let endpoints: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `https://…/stripe/"))
        .collect();
    assert_eq!(endpoints.len(), 2, "{endpoints:?}");
    let asked: BTreeSet<String> = endpoints
        .iter()
        .flat_map(|line| names(line))
        .filter(|name| !name.contains('/'))
        .collect();

    let folder = repo().join("supabase/migrations");
    let mut migrations: Vec<_> = std::fs::read_dir(folder)
        .expect("list the migrations")
        .map(|entry| entry.expect("list the migrations").path())
        .collect();
    migrations.sort();
    let newest = migrations.iter().rev().find_map(|path| {
        let sql = std::fs::read_to_string(path).expect("read a migration");
        let at = sql.rfind("function creel.handle_event(")?;
        Some(sql[at..].split("$$;").next().unwrap_or_default().to_owned())
    });
    let newest = newest.expect("the function that handles events");
    let quoted = newest
        .split('\'')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('.'));
    let (patterns, mut handled): (BTreeSet<String>, BTreeSet<String>) =
        quoted.map(str::to_owned).partition(|word| word.ends_with(".%"));
    // Not told by Stripe: what it answered to a request of ours.
    handled.retain(|kind| kind != "account.created" && kind != "checkout.session.created");
    let unasked: Vec<&String> = handled.difference(&asked).collect();
    assert!(unasked.is_empty(), "nobody is told to ask Stripe for {unasked:?}");
    let by_pattern = |kind: &&String| {
        !patterns
            .iter()
            .any(|one| kind.starts_with(one.trim_end_matches('%')))
    };
    let unhandled: Vec<&String> = asked.difference(&handled).filter(by_pattern).collect();
    assert!(unhandled.is_empty(), "nothing is done with {unhandled:?}");
}
