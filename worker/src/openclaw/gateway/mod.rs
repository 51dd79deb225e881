//! The driver that speaks the gateway's WebSocket RPC. It asks for `connect`, `config.get`, `config.patch`,
//! `agents.create`, `agents.list` and `agents.files.list`; where an agent is asked something, for `agent`, `agent.wait`,
//! `sessions.abort` and `sessions.delete`.
//!
//! Agents are made by `config.patch`: one patch serves all that wait, it sets name and emoji at once, it is a
//! compare-and-set on what was read before, its answer comes when the gateway has the agents, and it does not
//! write into their `IDENTITY.md`. `agents.create` is faster by itself (0.1 s against 0.4 s), but takes the id
//! from the name, so that the name needs a patch anyway, and the gateway has the agent only up to 4 s later.
//! It remains for what a patch cannot do: an id that was deleted before, the first agent of a configuration,
//! and finding out what OpenClaw writes into a new workspace's `AGENTS.md`.

mod access;
mod ask;
mod batch;
mod budget;
mod change;
mod client;
mod control;
mod create;
mod disk;
mod driver;
mod link;
mod listener;
mod problem;
pub(super) mod ready;
mod roster;
mod seed;
mod settings;
mod trouble;

pub(crate) use ask::NotAnswered;
pub use ask::Question;
pub(super) use change::entry_in;
pub(crate) use control::{GatewayControl, NotApplied};
pub use driver::GatewayDriver;
pub use problem::GatewayProblem;
pub use settings::{GatewayLimits, GatewaySettings};
