//! What the worker does on its host: programs, OpenClaw, folders, and the job made of them. Everything is
//! real but OpenClaw, for which `openclaw-stand-in` stands in; `real_openclaw` repeats what matters on the
//! real one.

#![expect(clippy::disallowed_methods, reason = "tests start programs as a person would")]

mod adoption;
mod backend;
mod conformance;
mod disk;
mod driver;
mod facts;
mod faults;
mod gateway;
mod process;
mod profile;
mod provision;
mod real_openclaw;
mod rpc;
mod runaways;
mod shared;
mod support;
mod validate;
mod workspace;
