//! The folder of an agent, `<workspace root>/<OpenClaw id>`: opened once as a handle, and nothing beneath
//! it is followed through a symbolic link.

mod documents;
mod error;
mod folder;
pub mod handle;
mod look;
mod marker;
mod protect;
mod replace;
mod seed;
mod swap;
mod template;
mod text_hash;

pub use documents::{DOCUMENT_MAX_BYTES, Documents, Skipped};
pub use error::WorkspaceError;
pub use folder::Workspace;
pub use look::{DocFile, Look, OnDisk, Seen, Unfit};
pub use marker::Owner;
pub(crate) use marker::is_marked;
pub use seed::{Found, SeedStep, plan_seed};
pub use swap::{DISPLACED_STAYS, DiskFaults, DiskStep, LateWords, NoFaults, Swapped};
pub use template::{Persona, Templates};
pub use text_hash::{NoTextHash, TextHash};
