//! No part of Creel needs the project's secret key: no program takes one, and nothing that is deployed names one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use creel_tests::cluster::{built_program, repo};

use crate::programs;

/// What is deployed, or runs on a host or at somebody's terminal. `bench/` is not among it: the polling script that it
/// compares with needs the key.
const PARTS: [&str; 7] = [
    "cli/src",
    "core/src",
    "functions/src",
    "infra",
    "local/src",
    "scripts",
    "worker/src",
];

/// As Supabase and its users call the variable, and as Creel might.
const VARIABLES: [&str; 4] = [
    "SUPABASE_SECRET_KEY",
    "SUPABASE_SERVICE_KEY",
    "SERVICE_ROLE_KEY",
    "CREEL_SECRET_KEY",
];

/// It prints the variable for other programs, as `supabase status` does.
const PRINTS_IT: &str = "cli/src/command/up/report.rs";

/// Whether an option or a variable is one for such a key.
fn asks_for_it(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    ["secret_key", "service_key", "service_role"]
        .iter()
        .any(|key| name.contains(key))
}

#[test]
fn no_function_takes_the_projects_secret_key() {
    for (name, program) in programs::programs() {
        let taken: Vec<&String> = program.documented.iter().filter(|v| asks_for_it(v)).collect();
        assert_eq!(taken, Vec::<&String>::new(), "{name}");
        assert!(program.documented.contains("SUPABASE_PUBLISHABLE_KEY"), "{name}");
    }
}

/// A command's subcommands, and the options and variables that its help names.
fn read_help(path: &[String]) -> (Vec<String>, BTreeSet<String>) {
    let creel = built_program("creel").expect("it is built");
    let help = Command::new(creel)
        .args(path)
        .arg("--help")
        .output()
        .expect("ask for help");
    assert!(help.status.success(), "{path:?}");
    let help = String::from_utf8(help.stdout).expect("text");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let options = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let options = options.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    // A variable may be on the line after "env:".
    let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let variables = flat.split("[env: ").skip(1);
    let variables = variables.filter_map(|rest| rest.split(['=', ']']).next());
    (
        commands.map(ToOwned::to_owned).collect(),
        options.chain(variables).map(ToOwned::to_owned).collect(),
    )
}

#[test]
fn no_command_takes_the_projects_secret_key() {
    let (mut left, mut asked_count, mut seen) = (vec![Vec::new()], 0, BTreeSet::new());
    while let Some(path) = left.pop() {
        let (commands, names) = read_help(&path);
        let taken: Vec<&String> = names.iter().filter(|name| asks_for_it(name)).collect();
        assert_eq!(taken, Vec::<&String>::new(), "creel {}", path.join(" "));
        for command in commands {
            left.push([path.as_slice(), &[command]].concat());
        }
        seen.extend(names);
        asked_count += 1;
    }
    assert!(asked_count > 60, "only {asked_count} commands were found");
    for known in ["--publishable-key", "SUPABASE_PUBLISHABLE_KEY", "DATABASE_URL"] {
        assert!(seen.contains(known), "the search itself is broken: {seen:?}");
    }
}

#[test]
fn nothing_that_is_deployed_or_run_names_the_variable() {
    let mut found = BTreeSet::new();
    let mut read_count = 0;
    for part in PARTS {
        find(&repo().join(part), &mut found, &mut read_count);
    }
    assert!(read_count > 200, "only {read_count} files were read");
    assert_eq!(found, BTreeSet::from([PRINTS_IT.to_owned()]));
}

fn find(path: &Path, found: &mut BTreeSet<String>, read_count: &mut usize) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return;
    }
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("list") {
            find(&entry.expect("list").path(), found, read_count);
        }
        return;
    }
    // What is no text is no source.
    let Ok(text) = std::fs::read_to_string(path) else {
        return;
    };
    *read_count += 1;
    if VARIABLES.iter().any(|variable| text.contains(variable)) {
        let path = path.strip_prefix(repo()).expect("it is in the repository");
        found.insert(path.display().to_string());
    }
}
