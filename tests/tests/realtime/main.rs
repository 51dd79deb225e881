//! Realtime of the local stack, heard by the published supabase-js.

mod changes;
mod page;
