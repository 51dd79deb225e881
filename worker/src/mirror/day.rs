//! Which file the day's memory is.

use jiff::Zoned;
use jiff::civil::Date;

/// What day it is on the host.
pub trait Days: Send + Sync {
    /// In the host's own time zone.
    fn today(&self) -> Date;
}

/// The host's clock and time zone.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostDays;

impl Days for HostDays {
    fn today(&self) -> Date {
        Zoned::now().date()
    }
}

/// What is to be done about the day's memory as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayPlan {
    /// There is no row: the file of this day makes one.
    Begin(Date),
    /// The file of this day and the row are one document.
    Stay(Date),
    /// The day is another one: this day's file and the row are settled, and then the row moves on.
    Leave(Date),
    /// The row has no day yet.
    Date,
}

/// Decides by the row's day, if there is a row, and the host's.
pub fn plan_day(has_row: bool, day: Option<Date>, today: Date) -> DayPlan {
    match day {
        _ if !has_row => DayPlan::Begin(today),
        None => DayPlan::Date,
        Some(day) if day == today => DayPlan::Stay(day),
        Some(day) => DayPlan::Leave(day),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_row_moves_on_with_the_day_in_both_directions() {
        let (one, two) = (date(2026, 11, 21), date(2026, 11, 22));
        assert_eq!(plan_day(false, None, one), DayPlan::Begin(one));
        assert_eq!(plan_day(true, None, one), DayPlan::Date);
        assert_eq!(plan_day(true, Some(one), one), DayPlan::Stay(one));
        assert_eq!(plan_day(true, Some(one), two), DayPlan::Leave(one));
        assert_eq!(plan_day(true, Some(two), one), DayPlan::Leave(two));
    }

    #[test]
    fn midnight_is_the_hosts_own() {
        for (zone, day) in [
            ("Pacific/Kiritimati", date(2026, 11, 22)),
            ("Asia/Kathmandu", date(2026, 11, 21)),
            ("America/New_York", date(2026, 11, 21)),
            ("Pacific/Pago_Pago", date(2026, 11, 21)),
        ] {
            let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
            let zone = jiff::tz::TimeZone::get(zone).expect("a zone");
            assert_eq!(now.to_zoned(zone).date(), day);
        }
    }
}
