//! What the database promises by itself: rights, names, order, fences.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "a test binary has no callers; its names say what it promises"
)]

mod adoption;
mod agent_logs;
mod agent_reports;
mod billing_accounts;
mod billing_checkout;
mod billing_guard;
mod billing_late;
mod billing_life;
mod billing_order;
mod billing_places;
mod billing_rights;
mod canaries;
mod claims;
mod command_input;
mod commands;
mod docs_day;
mod docs_gone;
mod docs_mirror;
mod docs_people;
mod docs_stage;
mod docs_upgrade;
mod earnings;
mod earnings_returned;
mod fixture;
mod grudges;
mod hints;
mod hosts;
mod hosts_for_rent;
mod members;
mod metrics_history;
mod parity;
mod placement;
mod plans;
mod queue;
mod realtime;
mod reports;
mod rights;
mod shop;
mod station;
mod till;
mod upgrade;
mod webhooks;
mod wishes;
