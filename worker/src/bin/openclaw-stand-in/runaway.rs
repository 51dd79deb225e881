//! `runaway KIND`: something that an agent started, and that takes more than it may.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Much for a program that does nothing, and little for a machine.
const MEMORY_BYTES: usize = 300 << 20;

/// What is written to once belongs to the process.
const PAGE_BYTES: usize = 4_096;

/// Goes on until it is killed; `double-fork` leaves a child of a child that does.
pub(crate) fn run(kind: &str) -> io::Result<()> {
    match kind {
        "cpu" => loop {
            std::hint::spin_loop();
        },
        "memory" => {
            let mut memory = vec![0_u8; MEMORY_BYTES];
            for page in memory.chunks_mut(PAGE_BYTES) {
                page[0] = 1;
            }
            loop {
                std::thread::park();
                std::hint::black_box(&memory);
            }
        }
        "double-fork" => spawn("fork"),
        "fork" => spawn("cpu"),
        other => Err(io::Error::other(format!("no runaway {other:?}"))),
    }
}

/// Starts this program once more, in a process group of its own, and does not wait for it.
#[expect(clippy::disallowed_methods, reason = "it leaves children behind on purpose")]
fn spawn(kind: &str) -> io::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(["runaway", kind])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
}
