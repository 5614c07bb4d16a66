//! Numbers, durations and times for people.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `1.5 GiB`
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut amount = count as f64 / 1024.0;
    let mut unit = 0;
    // 1023.96 would be printed as 1024.0.
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

/// `1,943,200`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,943,200 rows`, `1 row`
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `a, b and 3 more`: at most `shown` of the names, and the number of the others.
pub(crate) fn first_names<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    let first: Vec<&str> = names.iter().take(shown).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(shown) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `4.2 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// [`duration`] of so much time in seconds.
pub(crate) fn seconds(time: f64) -> String {
    duration(Duration::try_from_secs_f64(time).unwrap_or_default())
}

/// How old something is, or may be: `3 d 4 h`, `26 h`, `12 min`
pub(crate) fn age(age: SignedDuration) -> String {
    let minutes = age.as_mins().max(0);
    let (hours, days) = (minutes / 60, minutes / (60 * 24));
    match (days, hours) {
        (2.., _) if hours % 24 == 0 => format!("{days} d"),
        (2.., _) => format!("{days} d {} h", hours % 24),
        (_, 1..) => format!("{hours} h"),
        _ => format!("{minutes} min"),
    }
}

/// A time to come, no more exact than it is known: `40 s`, `12 min`, `2 h 07 min`
pub(crate) fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..90 => format!("{seconds} s"),
        90..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => duration(time),
    }
}

/// `2026-11-21 02:00:00 UTC`
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_counts_and_times_read_well() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes((1 << 30) - 1), "1.0 GiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(count(1_943_200), "1,943,200");
        assert_eq!(count(999), "999");
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(duration(Duration::from_millis(4200)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(duration(Duration::from_secs(7620)), "2 h 07 min");
        for (minutes, words) in [
            (-1, "0 min"),
            (59, "59 min"),
            (47 * 60, "47 h"),
            (2940, "2 d 1 h"),
        ] {
            assert_eq!(age(SignedDuration::from_mins(minutes)), words);
        }
        let at = "2026-11-21T02:00:00.7Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-21 02:00:00 UTC");
    }
}
