//! What goes wrong on purpose.

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered so, and nothing was done.
    Answer(u16),
    /// The connection is cut, and nothing was done.
    Cut,
    /// It is done, and then the connection is cut.
    LoseReply,
    /// Nobody answers, and nothing was done.
    Hang,
}

/// The faults to come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    next: Vec<(Option<String>, Fault)>,
    always: Option<Fault>,
}

impl Faults {
    pub(super) fn next(&mut self, path: Option<&str>, fault: Fault) {
        self.next.push((path.map(ToOwned::to_owned), fault));
    }

    pub(super) fn always(&mut self, fault: Option<Fault>) {
        self.always = fault;
    }

    /// What becomes of a call.
    pub(super) fn take(&mut self, call: &str) -> Option<Fault> {
        let path = call.split_once(' ').map_or(call, |(_, path)| path);
        let is_meant = |(at, _): &(Option<String>, Fault)| {
            at.as_deref()
                .is_none_or(|at| path.starts_with(at) || call.starts_with(at))
        };
        match self.next.iter().position(is_meant) {
            Some(at) => Some(self.next.remove(at).1),
            None => self.always,
        }
    }
}
