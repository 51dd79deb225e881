//! Sign-in by password, as far as supabase-js asks for it.

pub(super) mod routes;
mod users;

pub use users::{SignedIn, User, Users};
