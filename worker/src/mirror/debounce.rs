//! When what happens in quick succession is looked at: once.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// An editor writes, renames and sets a mode within this time.
const QUIET: Duration = Duration::from_millis(150);

/// Who writes without a pause is looked at this often.
const PATIENCE: Duration = Duration::from_millis(600);

/// Agents that are to be looked at, and when.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    events: HashMap<Uuid, (Instant, Instant)>,
    dues: HashMap<Uuid, Instant>,
}

impl Schedule {
    /// Something happened on an agent's disk.
    pub(super) fn event(&mut self, agent_id: Uuid, now: Instant) {
        self.events.entry(agent_id).or_insert((now, now)).1 = now;
    }

    /// An agent is to be looked at then, whatever happens.
    pub(super) fn at(&mut self, agent_id: Uuid, due: Instant) {
        let at = self.dues.entry(agent_id).or_insert(due);
        *at = due.min(*at);
    }

    /// When the next one is.
    pub(super) fn next(&self) -> Option<Instant> {
        let events = self.events.values().map(due);
        events.chain(self.dues.values().copied()).min()
    }

    /// Takes those whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Uuid> {
        let mut taken: Vec<Uuid> = self
            .events
            .extract_if(|_, times| due(times) <= now)
            .map(|(id, _)| id)
            .collect();
        taken.extend(self.dues.extract_if(|_, due| *due <= now).map(|(id, _)| id));
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    /// Forgets agents that are not here any more.
    pub(super) fn keep_only(&mut self, is_here: impl Fn(Uuid) -> bool) {
        self.events.retain(|id, _| is_here(*id));
        self.dues.retain(|id, _| is_here(*id));
    }
}

fn due((first, last): &(Instant, Instant)) -> Instant {
    (*last + QUIET).min(*first + PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_events_are_one_look_and_a_stream_of_them_is_looked_at_now_and_then() {
        let (id, begin) = (Uuid::from_u128(1), Instant::now());
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let mut schedule = Schedule::default();
        schedule.event(id, at(0));
        schedule.event(id, at(100));
        assert!(schedule.take_due(at(200)).is_empty());
        assert_eq!(schedule.take_due(at(250)), [id]);
        assert!(schedule.next().is_none() && schedule.take_due(at(900)).is_empty());
        for ms in (1_000..1_600).step_by(50) {
            schedule.event(id, at(ms));
            assert!(schedule.take_due(at(ms)).is_empty());
        }
        assert_eq!(schedule.take_due(at(1_600)), [id]);
    }

    #[tokio::test]
    async fn the_sooner_time_counts() {
        let (id, now) = (Uuid::from_u128(1), Instant::now());
        let mut schedule = Schedule::default();
        schedule.at(id, now + Duration::from_secs(60));
        schedule.at(id, now + Duration::from_secs(1));
        assert_eq!(schedule.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(schedule.take_due(now + Duration::from_secs(1)), [id]);
        schedule.keep_only(|_| false);
        assert!(schedule.next().is_none());
    }
}
