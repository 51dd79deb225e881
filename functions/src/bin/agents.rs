//! The `agents` function on AWS Lambda.

fn main() {}
