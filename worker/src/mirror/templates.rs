//! OpenClaw's own words, which it writes into a workspace where a document is missing: nobody's, and known by their hashes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{DOCUMENT_MAX_BYTES, TextHash};

/// Where they are in its package.
const TEMPLATES: &str = "docs/reference/templates";

/// A program that is a script is short; more is the program itself.
const SCRIPT_MAX_BYTES: u64 = 4 << 10;

/// A package has a dozen.
const FILES_MAX: usize = 100;

/// The hashes of the templates of the OpenClaw that this program is of; none where they are not found.
pub(super) fn read_templates(program: &Path) -> Vec<TextHash> {
    let Some(folder) = package_of(program).map(|package| package.join(TEMPLATES)) else {
        return Vec::new();
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = entries.take(FILES_MAX).filter_map(|entry| {
        let path = entry.path();
        let is_text = path.extension().is_some_and(|ending| ending == "md")
            && entry
                .metadata()
                .is_ok_and(|found| found.is_file() && found.len() <= DOCUMENT_MAX_BYTES);
        fs::read_to_string(path).ok().filter(|_| is_text)
    });
    texts
        .flat_map(|text| [TextHash::of(body(&text)), TextHash::of(&text)])
        .collect()
}

/// What of a template is written: all but what is said about it at its head.
fn body(text: &str) -> &str {
    let after_head = text
        .strip_prefix("---\n")
        .and_then(|rest| Some(rest.split_once("\n---\n")?.1));
    after_head.unwrap_or(text).trim_start_matches('\n')
}

/// The package that a program lies in, or that the script names which it is.
fn package_of(program: &Path) -> Option<PathBuf> {
    let program = if program.components().count() > 1 {
        program.to_owned()
    } else {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|program| program.is_file())?
    };
    let program = program.canonicalize().ok()?;
    let is_package =
        |folder: &&Path| folder.join("package.json").is_file() && folder.join(TEMPLATES).is_dir();
    if let Some(package) = program.ancestors().find(is_package) {
        return Some(package.to_owned());
    }
    let is_short = fs::metadata(&program).is_ok_and(|found| found.len() <= SCRIPT_MAX_BYTES);
    let script = fs::read_to_string(&program).ok().filter(|_| is_short)?;
    script
        .split(['\'', '"', ' ', '\n'])
        .filter(|word| word.starts_with('/') && word.ends_with("js"))
        .find_map(|word| Path::new(word).ancestors().find(is_package).map(Path::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_found_from_the_program_and_from_a_script_that_starts_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let package = folder.path().join("node_modules/openclaw");
        fs::create_dir_all(package.join(TEMPLATES)).expect("a folder");
        fs::write(package.join("package.json"), "{}").expect("write");
        fs::write(package.join("openclaw.mjs"), "").expect("write");
        let text = "---\ntitle: \"SOUL.md\"\n---\n\n# Who you are\n\n---\n\nMore.\n";
        fs::write(package.join(TEMPLATES).join("SOUL.md"), text).expect("write");
        let seeded = TextHash::of("# Who you are\n\n---\n\nMore.\n");
        assert!(read_templates(&package.join("openclaw.mjs")).contains(&seeded));

        let script = folder.path().join("openclaw");
        let run = format!(
            "#!/bin/sh\nexec '/usr/bin/node' '{}' \"$@\"\n",
            package.join("openclaw.mjs").display()
        );
        fs::write(&script, run).expect("write");
        assert!(read_templates(&script).contains(&seeded));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&script, &link).expect("link");
        assert!(read_templates(&link).contains(&seeded));
        assert!(read_templates(Path::new("/nowhere/openclaw")).is_empty());
    }
}
