//! Creel's HTTP functions: axum routers that run on AWS Lambda, and unchanged inside `creel up`.
//!
//! A function knows no secret. It hands the caller's own token on to the project's Data API, and row security
//! decides what comes of it. Only [`notifications`], which nobody calls but the clock, has the project's secret key.

pub mod agents;
pub mod caller;
pub mod checkout;
pub mod data_api;
pub mod deadline;
pub mod failure;
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
