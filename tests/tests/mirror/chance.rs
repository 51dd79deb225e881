//! What happens by chance, and again the same from the same seed.

use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Chance, shared by all who are at a case.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<SmallRng>>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed))))
    }

    /// Less than `end`.
    pub fn below(&self, end: usize) -> usize {
        let mut random = self.0.lock().expect("no holder of this lock panics");
        random.random_range(0..end.max(1))
    }

    /// Once in so many times.
    pub fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn of<T: Clone>(&self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}
