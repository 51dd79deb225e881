//! Opens files that a program of somebody else may have put something else in the place of: a pipe that nobody writes to,
//! a device without end, or a link to what is none of its business.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The file; none if there is none, or something else. No link is followed.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    open_with(path, OFlags::NOFOLLOW)
}

/// The same for a file of the host's owner, who may have put a link in its place.
pub(crate) fn open_through_links(path: &Path) -> io::Result<Option<File>> {
    open_with(path, OFlags::empty())
}

fn open_with(path: &Path, more: OFlags) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => {
            let file = File::from(opened);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        // The last is a socket's.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The text of a file that is no longer than this; none of any other.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Option<String> {
    let mut text = String::new();
    let read = open(path).ok()??.take(max_bytes + 1).read_to_string(&mut text);
    let length = u64::try_from(read.ok()?).ok()?;
    (length <= max_bytes).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").expect("write");
        std::os::unix::fs::symlink(at("file"), at("link")).expect("link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        std::fs::create_dir(at("folder")).expect("make a folder");
        assert_eq!(read_text(&at("file"), 4).as_deref(), Some("text"));
        assert_eq!(read_text(&at("file"), 3), None, "it is longer");
        for other in ["link", "socket", "folder", "nothing"] {
            assert!(open(&at(other)).expect("look").is_none(), "{other}");
        }
        assert!(open_through_links(&at("link")).expect("look").is_some());
    }
}
