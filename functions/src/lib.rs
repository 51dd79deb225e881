//! Creel's HTTP functions: axum routers that run on AWS Lambda, and unchanged inside `creel up`.
//!
//! A function hands the caller's own token on to the project's Data API, and row security decides what comes of it. What
//! nobody calls as himself comes with a key that opens nothing else ([`function_key`]). None has the project's secret key.

pub mod agents;
pub mod caller;
pub mod checkout;
pub mod data_api;
pub mod deadline;
pub mod failure;
pub mod function_key;
pub mod hosts;
pub mod lambda;
pub mod notifications;
pub mod origins;
mod refusal;
pub mod secrets;
pub mod server;
pub mod settings;
pub mod stripe;
mod tls;
