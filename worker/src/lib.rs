//! The daemon on a host.

pub mod backend;
mod claim;
pub mod config;
mod crew;
mod daemon;
pub mod exit;
mod finish;
mod gateway_service;
mod health;
mod held;
mod host;
pub mod host_events;
pub mod host_key;
mod http;
mod jitter;
pub mod job;
pub mod lease;
mod lock;
pub mod openclaw;
pub mod process;
mod rows;
mod run;
mod runtime;
pub mod shutdown;
mod stop;
pub mod supervisor;
mod tick;
mod transport;
mod wake;
pub mod workspace;

pub use config::{KeepGateway, OpenClawDriver, WorkerArgs, WorkerConfig};
pub use exit::{Fatal, Stopped, exit_code};
pub use gateway_service::GatewayState;
pub use host_key::{HostKey, HostKeyError};
pub use run::{run, run_with};
pub use shutdown::Shutdown;
