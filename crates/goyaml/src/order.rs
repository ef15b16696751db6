//! The order of a map's keys: letters last, numbers inside of keys by their value.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

/// Sorts keys as Go's yaml/v2 does.
///
/// Its order is none where digits meet letters (`2` < `10` < `1a` < `2`), and upstream's own result is then left to chance; so the sort
/// is one that gets along with any comparison.
pub(super) fn sort<T>(keys: &mut Vec<(Vec<char>, T)>) {
    if keys.len() < 2 {
        return;
    }
    let mut right = keys.split_off(keys.len() / 2);
    let mut left = std::mem::take(keys);
    sort(&mut left);
    sort(&mut right);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if compare(&b.0, &a.0) == Ordering::Less { right.next() } else { left.next() };
        keys.extend(next);
    }
    keys.extend(left);
    keys.extend(right);
}

fn compare(a: &[char], b: &[char]) -> Ordering {
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    match (is_letter(a[at]), is_letter(b[at])) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A zero that ends a number's common beginning is no leading zero.
    let inside = (a[at] == '0' || b[at] == '0') && a[..at].iter().rev().take_while(|c| is_digit(**c)).any(|c| *c != '0');
    let start = i64::from(inside);
    let ((number_a, length_a), (number_b, length_b)) = (number(&a[at..], start), number(&b[at..], start));
    number_a.cmp(&number_b).then(length_a.cmp(&length_b)).then(a[at].cmp(&b[at]))
}

/// The number that the digits at the text's beginning continue, and how many digits they are. It overflows as upstream's.
fn number(text: &[char], start: i64) -> (i64, usize) {
    let digits = text.iter().take_while(|c| is_digit(**c));
    digits.fold((start, 0), |(sum, count), digit| {
        let digit = i64::from(u32::from(*digit)) - i64::from(u32::from('0'));
        (sum.wrapping_mul(10).wrapping_add(digit), count + 1)
    })
}

fn is_letter(c: char) -> bool {
    static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{L}\z").ok());
    if c.is_ascii() { c.is_ascii_alphabetic() } else { is_match(&LETTER, c) }
}

fn is_digit(c: char) -> bool {
    static DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{Nd}\z").ok());
    if c.is_ascii() { c.is_ascii_digit() } else { is_match(&DIGIT, c) }
}

fn is_match(class: &LazyLock<Option<Regex>>, c: char) -> bool {
    class.as_ref().is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}
