//! The first files of an agent: who it is, whom it works for, what it remembers.

use std::collections::BTreeMap;
use std::path::Path;

use creel_core::host_api::Doc;
use creel_core::status::DocType;

use super::handle::{create_file, make_folder};
use super::{Templates, Workspace, WorkspaceError};

/// The folder of the days' memories.
pub(super) const MEMORY_FOLDER: &str = "memory";

/// What a name in a workspace stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    SymbolicLink,
    /// A pipe, a socket or a device.
    Special,
}

impl Found {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::SymbolicLink => "a symbolic link",
            Self::Special => "a pipe, a socket or a device",
        }
    }
}

/// One thing to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedStep {
    /// A file that is not there.
    File {
        /// Its name.
        name: &'static str,
        /// Its text.
        content: String,
    },
    /// A folder that is not there.
    Folder {
        /// Its name.
        name: &'static str,
    },
}

/// What to make in a workspace that has this listing. What is there is never touched; the words of a row
/// win over those of a template, unless the row has no words.
pub fn plan_seed(
    path: &Path,
    listing: &BTreeMap<String, Found>,
    rows: &[Doc],
    templates: &Templates,
) -> Result<Vec<SeedStep>, WorkspaceError> {
    let mut steps = Vec::new();
    for (doc_type, name) in DocType::ALL
        .iter()
        .filter_map(|&doc_type| Some((doc_type, doc_type.file_name()?)))
    {
        match listing.get(name) {
            Some(Found::File) => {}
            Some(found) => {
                return Err(WorkspaceError::NotAFile {
                    path: path.join(name),
                    found: found.as_str(),
                });
            }
            None => {
                let row = rows
                    .iter()
                    .find(|row| row.doc_type == doc_type && !row.content.trim().is_empty());
                let content = row
                    .map(|row| row.content.clone())
                    .or_else(|| templates.render(doc_type));
                steps.extend(content.map(|content| SeedStep::File { name, content }));
            }
        }
    }
    match listing.get(MEMORY_FOLDER) {
        Some(Found::Folder) => {}
        Some(found) => {
            let path = path.join(MEMORY_FOLDER);
            return Err(WorkspaceError::NotAFolder {
                path,
                found: found.as_str(),
            });
        }
        None => steps.push(SeedStep::Folder { name: MEMORY_FOLDER }),
    }
    Ok(steps)
}

impl Workspace {
    /// Makes what is missing of an agent's first files.
    pub fn seed(&self, rows: &[Doc], templates: &Templates) -> Result<(), WorkspaceError> {
        self.apply_seed(&self.begin_seed(rows, templates)?)
    }

    /// Takes away what a killed worker left half done, and says what is missing of an agent's first files.
    pub fn begin_seed(&self, rows: &[Doc], templates: &Templates) -> Result<Vec<SeedStep>, WorkspaceError> {
        self.remove_temporaries()
            .map_err(|error| WorkspaceError::at(&self.path, error))?;
        plan_seed(&self.path, &self.listing()?, rows, templates)
    }

    /// Does the steps. What has come to be there meanwhile is not touched either.
    pub fn apply_seed(&self, steps: &[SeedStep]) -> Result<(), WorkspaceError> {
        for step in steps {
            let (name, made) = match step {
                SeedStep::File { name, content } => (
                    name,
                    create_file(&self.dir, &self.creel, name, content.as_bytes()).map(drop),
                ),
                SeedStep::Folder { name } => (name, make_folder(&self.dir, name)),
            };
            made.map_err(|error| WorkspaceError::at(&self.path.join(name), error))?;
        }
        Ok(())
    }
}
