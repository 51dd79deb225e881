//! Realtime of the local stack, heard by the published supabase-js.
//!
//! The runtimes have more than one thread: a test ends by waiting for its database to be dropped, and meanwhile Realtime
//! must let go of it.

mod broadcasts;
mod changes;
mod documented;
mod filters;
mod lost;
mod page;
mod sockets;
mod strangers;
mod tokens;
