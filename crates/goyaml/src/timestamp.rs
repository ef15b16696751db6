//! The timestamps of YAML 1.1 that Go's yaml/v2 knows. They are read as text, but written in quotes.

/// Whether the text is a date (`2006-1-2`), a date and time (`2006-1-2 15:4:5.9`), or both with a zone (`2006-1-2T15:4:5.9+07:00`).
pub(super) fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || !bytes[..4].iter().all(u8::is_ascii_digit) || bytes[4] != b'-' {
        return false;
    }
    parse(text).is_some()
}

fn parse(text: &str) -> Option<()> {
    let year: u32 = text[..4].parse().ok()?;
    let (month, rest) = two_digits(&text.as_bytes()[5..])?;
    let (day, rest) = two_digits(rest.strip_prefix(b"-")?)?;
    if day == 0 || day > days(year, month)? {
        return None;
    }
    match rest {
        [] => Some(()),
        [b'T' | b't', rest @ ..] => zone(time(rest)?),
        [b' ', ..] => {
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            time(&rest[spaces..])?.is_empty().then_some(())
        }
        _ => None,
    }
}

/// `15:4:5.999`; gives what follows.
fn time(text: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = two_digits(text)?;
    let (minute, rest) = two_digits(rest.strip_prefix(b":")?)?;
    let (second, rest) = two_digits(rest.strip_prefix(b":")?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    match rest {
        [b'.' | b',', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
            Some(&digits[end..])
        }
        _ => Some(rest),
    }
}

/// `Z` or `+07:00`, and nothing behind it.
fn zone(text: &[u8]) -> Option<()> {
    match text {
        b"Z" => Some(()),
        [b'+' | b'-', hours @ .., b':', ten, one] if hours.len() == 2 => {
            let hours = number(hours)?;
            let minutes = number(&[*ten, *one])?;
            (hours <= 24 && minutes <= 60).then_some(())
        }
        _ => None,
    }
}

/// One digit or two.
fn two_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let count = text.iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    Some((number(&text[..count])?, &text[count..]))
}

fn number(digits: &[u8]) -> Option<u32> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn days(year: u32, month: u32) -> Option<u32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}
