//! Byte ranges, as far as one range goes (RFC 9110, section 14).

/// What a `Range` header asks for of a body of known length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The whole body: no range, several of them, or a header that makes no sense.
    Whole,
    /// These bytes, the first and the last of them.
    Part(u64, u64),
    /// Bytes that the body does not have.
    Outside,
}

/// Reads the header against a body of `length` bytes.
pub(super) fn asked(header: &str, length: u64) -> Asked {
    let Some((first, last)) = bounds(header) else { return Asked::Whole };
    let end = length.saturating_sub(1);
    match (first, last) {
        (None, Some(0)) => Asked::Outside,
        (None, Some(_)) if length == 0 => Asked::Outside,
        (None, Some(suffix)) => Asked::Part(length.saturating_sub(suffix), end),
        (Some(first), Some(last)) if last < first => Asked::Whole,
        (Some(first), _) if first >= length => Asked::Outside,
        (Some(first), last) => Asked::Part(first, last.map_or(end, |last| last.min(end))),
        (None, None) => Asked::Whole,
    }
}

/// The two numbers of `bytes=first-last`, either of which may be missing.
fn bounds(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    Some((number(first)?, number(last)?))
}

/// Digits, or nothing; a number too large is as good as the largest.
#[expect(clippy::option_option, reason = "malformed and missing are different answers")]
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked};

    #[test]
    fn ranges_are_read_against_the_length() {
        for (header, expected) in [
            ("bytes=0-3", Asked::Part(0, 3)),
            ("bytes=4-", Asked::Part(4, 9)),
            ("bytes=-3", Asked::Part(7, 9)),
            ("bytes=-99", Asked::Part(0, 9)),
            ("bytes=5-999", Asked::Part(5, 9)),
            ("bytes=5-99999999999999999999999", Asked::Part(5, 9)),
            ("bytes=9-9", Asked::Part(9, 9)),
            ("bytes=10-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=5-4", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=0-1,4-5", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("nonsense", Asked::Whole),
        ] {
            assert_eq!(asked(header, 10), expected, "{header}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Outside);
        assert_eq!(asked("bytes=-1", 0), Asked::Outside);
    }
}
