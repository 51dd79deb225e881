//! The rows of the table, by what they need.

pub mod drain;
pub mod function;
pub mod hosts;
pub mod idle;
pub mod latency;
pub mod mirror;
pub mod provision;
pub mod realtime;
pub mod stripe;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What a person waits for with a cup in the hand.
    Quick,
    /// What is written down.
    Whole,
}

impl Effort {
    /// One number for quick runs, another for whole ones.
    pub fn pick<T>(self, quick: T, whole: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Whole => whole,
        }
    }
}

/// Each contender has its turn in each of these; the middle one of its numbers counts.
pub const ROUNDS: usize = 3;
