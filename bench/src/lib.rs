#![doc = include_str!("../README.md")]

pub mod clock;
pub mod figure;
pub mod graphile;
pub mod lambda;
pub mod openclaw;
pub mod pgbench;
pub mod processor;
pub mod program;
pub mod queue;
pub mod row;
pub mod stage;
pub mod statistics;
pub mod worker;

/// Tells whoever waits how it goes.
pub fn say(line: &str) {
    use std::io::Write;
    // Nobody may be reading, and then it matters to nobody.
    let _gone = writeln!(std::io::stderr().lock(), "{line}");
}
