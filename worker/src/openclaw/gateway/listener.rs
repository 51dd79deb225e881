//! Finds out whose process has accepted a connection of ours. The token goes to nobody else.
//!
//! It asks about this very connection, and only after the other side has spoken on it: whoever listens on the
//! port a moment earlier or later does not matter.

use std::net::SocketAddr;

use crate::process::Runner;

/// The user whose process is at the other end of our connection from `ours` to `theirs`; none if nobody can
/// tell.
#[cfg(target_os = "linux")]
pub(super) async fn user_at_the_other_end(
    _runner: &Runner,
    ours: SocketAddr,
    theirs: SocketAddr,
) -> Option<u32> {
    let tables = || {
        ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect::<String>()
    };
    let tables = tokio::task::spawn_blocking(tables).await.ok()?;
    linux::owner_in(&tables, theirs, ours)
}

/// The same where there is no such table: `lsof` names the connections of this user's processes only, so that
/// those of others have no owner.
#[cfg(not(target_os = "linux"))]
pub(super) async fn user_at_the_other_end(
    runner: &Runner,
    ours: SocketAddr,
    theirs: SocketAddr,
) -> Option<u32> {
    lsof::owner(runner, theirs, ours).await
}

/// Reads `/proc/net/tcp` and `tcp6`.
#[cfg(any(target_os = "linux", test))]
mod linux {
    use std::net::{IpAddr, SocketAddr};

    /// The owner of the established socket with these ends. A socket that nobody has accepted has no inode,
    /// and its owner is not known.
    pub(super) fn owner_in(tables: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let ends = [written(local), written(remote)];
        let mapped = [written_mapped(local)?, written_mapped(remote)?];
        tables.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, from, to, state, _, _, _, user, _, inode, ..] = fields[..] else {
                return None;
            };
            let is_it = [&ends, &mapped]
                .iter()
                .any(|ends| ends[0] == from && ends[1] == to);
            (is_it && state == ESTABLISHED && inode != "0").then(|| user.parse().ok())?
        })
    }

    const ESTABLISHED: &str = "01";

    /// An address as the kernel prints it: words in the machine's own order of bytes.
    fn written(address: SocketAddr) -> String {
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let words = octets
            .chunks_exact(4)
            .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])));
        format!("{}:{:04X}", words.collect::<String>(), address.port())
    }

    /// The same for a socket that listens for both kinds of addresses.
    fn written_mapped(address: SocketAddr) -> Option<String> {
        match address.ip() {
            IpAddr::V4(ip) => Some(written(SocketAddr::new(
                IpAddr::V6(ip.to_ipv6_mapped()),
                address.port(),
            ))),
            IpAddr::V6(_) => None,
        }
    }
}

/// Asks `lsof`.
#[cfg(any(not(target_os = "linux"), test))]
mod lsof {
    use std::net::SocketAddr;
    use std::time::Duration;

    use crate::process::{Run, Runner};

    /// It looks through all open files of the user's processes.
    const LIMIT: Duration = Duration::from_secs(10);

    #[cfg(target_os = "macos")]
    const PROGRAM: &str = "/usr/sbin/lsof";
    #[cfg(not(target_os = "macos"))]
    const PROGRAM: &str = "lsof";

    pub(super) async fn owner(runner: &Runner, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let of_port = format!("-iTCP:{}", local.port());
        let run = Run::new(PROGRAM, LIMIT).args(["-nP", "-w", &of_port, "-sTCP:ESTABLISHED", "-Fun"]);
        let finished = runner.run(run, ()).await.ok()?;
        owner_in(&String::from_utf8_lossy(&finished.stdout), local, remote)
    }

    /// A line for each field: `u` the user of the process, `n` the ends of a socket of it.
    fn owner_in(text: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
        let wanted = format!("n{local}->{remote}");
        let mut user = None;
        for line in text.lines() {
            match line.strip_prefix('u') {
                Some(id) => user = id.parse().ok(),
                None if line.starts_with('p') => user = None,
                None if line == wanted => return user,
                None => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use uuid::Uuid;

    use super::*;
    use crate::process::Mark;

    /// A connection within this process, accepted.
    fn pair(address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((address, 0)).expect("listen");
        let port = listener.local_addr().expect("an address").port();
        let mut ours = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        let (mut theirs, _) = listener.accept().expect("accept");
        theirs.write_all(b"x").expect("write");
        ours.read_exact(&mut [0]).expect("read");
        (ours, theirs)
    }

    #[tokio::test]
    async fn the_owner_of_the_other_end_is_found_and_only_of_this_connection() {
        let me = Some(rustix::process::geteuid().as_raw());
        let folder = tempfile::tempdir().expect("make a folder");
        let runner = Runner::new(Mark::new(folder.path(), Uuid::new_v4()));
        for address in ["127.0.0.1", "::"] {
            let (ours, _theirs) = pair(address);
            let ends = (
                ours.local_addr().expect("an address"),
                ours.peer_addr().expect("an address"),
            );
            assert_eq!(
                user_at_the_other_end(&runner, ends.0, ends.1).await,
                me,
                "{address}"
            );
            let other = SocketAddr::new(ends.0.ip(), ends.0.port().wrapping_add(1));
            assert_eq!(user_at_the_other_end(&runner, other, ends.1).await, None);
        }
    }

    #[test]
    fn a_socket_that_nobody_has_accepted_has_no_owner() {
        let row = "  1: 0100007F:97F4 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 INODE 1";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        if cfg!(target_endian = "little") {
            let owner = |inode| linux::owner_in(&row.replace("INODE", inode), at(0x97F4), at(0xC350));
            assert_eq!(owner("77"), Some(1000));
            assert_eq!(owner("0"), None);
        }
    }

    #[tokio::test]
    async fn lsof_names_the_owner_too() {
        let folder = tempfile::tempdir().expect("make a folder");
        let runner = Runner::new(Mark::new(folder.path(), Uuid::new_v4()));
        let (ours, _theirs) = pair("127.0.0.1");
        let ends = (
            ours.peer_addr().expect("an address"),
            ours.local_addr().expect("an address"),
        );
        let found = lsof::owner(&runner, ends.0, ends.1).await;
        // Not every machine has the program; then nobody is trusted.
        let me = rustix::process::geteuid().as_raw();
        assert!(found.is_none_or(|found| found == me), "{found:?}");
    }
}
