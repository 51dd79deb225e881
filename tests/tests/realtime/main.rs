//! Realtime of the local stack, heard by the published supabase-js.

mod broadcasts;
mod changes;
mod documented;
mod filters;
mod lost;
mod page;
mod sockets;
mod strangers;
mod tokens;
