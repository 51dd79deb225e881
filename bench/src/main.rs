//! The numbers of Creel, side by side with what they are compared to.

use clap::Parser;

/// Measures Creel beside what people use today, and prints the ratios.
#[derive(Parser)]
struct Args {}

fn main() {
    let Args {} = Args::parse();
}
