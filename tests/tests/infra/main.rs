//! What infra/ deploys is what the programs are and what the documents say: by AWS SAM and by Terraform the same.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod agree;
mod documents;
mod linted;
mod module;
mod programs;
mod secret_key;
mod template;

use std::collections::{BTreeMap, BTreeSet};

/// A function, as it is deployed.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its variables.
    pub variables: BTreeSet<String>,
    /// Those that name a secret.
    pub secrets: BTreeSet<String>,
    pub timeout_secs: u64,
    pub reserved_concurrency: u64,
    pub has_url: bool,
    pub each_minute: bool,
    pub alarms: BTreeMap<String, Alarm>,
}

/// When an alarm begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Alarm {
    pub metric: String,
    pub statistic: String,
    pub period_secs: u64,
    pub periods: u64,
    pub threshold: u64,
    pub comparison: String,
    pub missing: String,
}

/// By their names.
pub type Functions = BTreeMap<String, Function>;
