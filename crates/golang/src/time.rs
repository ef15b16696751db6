//! Points in time of RFC 3339, as `time.Time` reads and writes them in JSON.

use std::fmt::Write as _;

/// The zero time of Go, which stands for none.
pub const ZERO: &str = "0001-01-01T00:00:00Z";

/// The parts of a time that were written.
struct Parts<'a> {
    /// `2006-01-02T`
    date: &'a str,
    hour: u32,
    /// `:04:05`
    rest: &'a str,
    fraction: &'a str,
    /// Minutes east of UTC.
    offset: i32,
}

/// Reads a time of RFC 3339 with the liberties that Go takes (an hour of one digit, a comma before the fraction, an offset of up to 24:60) and
/// writes it as Go's `RFC3339Nano`: at most nine digits of a fraction, without zeros at the end, and `Z` for an offset of zero. `None` if Go refuses
/// to read or to write it.
pub fn normalise(text: &str) -> Option<String> {
    let parts = Parts::parse(text)?;
    let mut out = format!("{}{:02}{}", parts.date, parts.hour, parts.rest);
    let fraction = parts.fraction.get(..parts.fraction.len().min(9))?.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if parts.offset == 0 {
        out.push('Z');
        return Some(out);
    }
    let size = parts.offset.unsigned_abs();
    if size >= 24 * 60 {
        return None;
    }
    // Writing to a string does not fail.
    let _ = write!(out, "{}{:02}:{:02}", if parts.offset < 0 { '-' } else { '+' }, size / 60, size % 60);
    Some(out)
}

/// Answers the seconds since 1970 (negative before) and the nanoseconds of a time that [`normalise`] has written.
pub fn instant(text: &str) -> Option<(i64, u32)> {
    /// From the day before the year 1 to that before 1970.
    const DAYS_TO_1970: i64 = 719_163;
    let parts = Parts::parse(text)?;
    let mut fields = parts.date.trim_end_matches('T').split('-').map(str::parse::<i64>);
    let (year, month, day) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
    let mut clock = parts.rest.split(':').skip(1).map(str::parse::<i64>);
    let (minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?);
    let before = year - 1;
    let leap = i64::from(is_leap(year));
    let in_year = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334].get(usize::try_from(month - 1).ok()?)?;
    let days = before * 365 + before.div_euclid(4) - before.div_euclid(100)
        + before.div_euclid(400)
        + in_year
        + if month > 2 { leap } else { 0 }
        + day
        - DAYS_TO_1970;
    let seconds = ((days * 24 + i64::from(parts.hour)) * 60 + minute - i64::from(parts.offset)) * 60 + second;
    let nanos = format!("{:0<9}", parts.fraction.get(..parts.fraction.len().min(9))?).parse().ok()?;
    Some((seconds, nanos))
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let (date, rest) = text.split_at_checked(11)?;
        let shape = date.bytes().zip("0000-00-00T".bytes()).all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s });
        let field = |from, to| date.get(from..to).and_then(|t| t.parse::<i64>().ok());
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        if !shape || !(1..=12).contains(&month) || !(1..=days(year, month)).contains(&day) {
            return None;
        }
        let (hour, rest) = rest.split_once(':')?;
        if !digits(hour) || !(1..=2).contains(&hour.len()) {
            return None;
        }
        let hour = hour.parse().ok().filter(|h| *h < 24)?;
        let (minutes, rest) = rest.split_at_checked(5)?;
        let sixty = |t: Option<&str>| t.is_some_and(|t| digits(t) && t < "60");
        if !sixty(minutes.get(..2)) || minutes.get(2..3) != Some(":") || !sixty(minutes.get(3..)) {
            return None;
        }
        let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
            Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
            None => ("", rest),
        };
        if fraction.is_empty() && rest.starts_with(['.', ',']) {
            return None;
        }
        let from = text.len() - rest.len() - 6;
        Some(Self { date, hour, rest: text.get(from..from + 6)?, fraction, offset: offset(zone)? })
    }
}

/// The offset in minutes that `Z` or `+07:00` stands for.
fn offset(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 || !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    match sign {
        _ if hours > 24 || minutes > 60 => None,
        "+" => Some(hours * 60 + minutes),
        "-" => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_ordered_across_offsets() {
        assert!(instant(ZERO) < instant("2020-01-01T00:00:00Z"));
        assert_eq!(instant("2020-01-01T00:00:00Z"), instant("2019-12-31T23:00:00-01:00"));
        assert!(instant("2020-02-29T23:59:59.1Z") < instant("2020-03-01T00:00:00Z"));
        assert!(instant("2020-01-01T00:00:00.05Z") < instant("2020-01-01T00:00:00.1Z"));
    }
}
