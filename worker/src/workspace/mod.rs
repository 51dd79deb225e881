//! The folder of an agent, `<workspace root>/<OpenClaw id>`: opened once as a handle, and nothing beneath
//! it is followed through a symbolic link.

mod documents;
mod error;
mod folder;
mod handle;
mod marker;
mod protect;
mod replace;
mod seed;
mod template;

pub use documents::{DOCUMENT_MAX_BYTES, Documents, Skipped};
pub use error::WorkspaceError;
pub use folder::Workspace;
pub use marker::Owner;
pub(crate) use marker::is_marked;
pub use seed::{Found, SeedStep, plan_seed};
pub use template::{Persona, Templates};
