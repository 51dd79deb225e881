//! How much room a folder takes.

use std::path::Path;

/// A workspace with more files than this is not counted to its end: what is known then is more than most limits.
const FILES_MAX: usize = 500_000;

/// Bytes of all files beneath a folder, none through a symbolic link. What cannot be read counts nothing.
pub(super) fn size_bytes(folder: &Path) -> u64 {
    let (mut total, mut count) = (0, 0);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                total += occupied(&found);
            }
            count += 1;
            if count >= FILES_MAX {
                return total;
            }
        }
    }
    total
}

/// What the disk has of it: a file with holes takes less room than its length.
fn occupied(found: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    /// The unit of `st_blocks`, whatever the disk's own is.
    const BLOCK_BYTES: u64 = 512;
    found.blocks() * BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_and_what_links_lead_to_is_not() {
        let folder = tempfile::tempdir().expect("make a folder");
        let other = tempfile::tempdir().expect("make a folder");
        std::fs::create_dir(folder.path().join("deep")).expect("make a folder");
        std::fs::write(folder.path().join("deep/file"), vec![1; 100_000]).expect("write");
        std::fs::write(other.path().join("file"), vec![1; 5_000_000]).expect("write");
        std::os::unix::fs::symlink(other.path(), folder.path().join("link")).expect("link");
        let size = size_bytes(folder.path());
        assert!((100_000..1_000_000).contains(&size), "{size}");
        assert_eq!(size_bytes(Path::new("/nonexistent")), 0);
    }
}
