//! Sizes as stock Flux says them in events.

/// A size in bytes with four significant digits, in decimal units: `1.259kB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are printed")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    // As C's %.4g: at most four digits in all, without zeros at the end. What is rounded up to 1000 stays so.
    let before = if size < 10.0 {
        1
    } else if size < 100.0 {
        2
    } else {
        3
    };
    let mut text = format!("{size:.*}", usize::from(4u8.saturating_sub(before)));
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{text}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits() {
        let told: Vec<_> = [0, 1, 80, 297, 999, 1000, 1007, 1259, 10_000, 12_345, 99_999, 999_999, 1_000_000, 22_600_000, 123_456_789_012]
            .map(human)
            .into();
        let expected = [
            "0B", "1B", "80B", "297B", "999B", "1kB", "1.007kB", "1.259kB", "10kB", "12.35kB", "100kB", "1000kB", "1MB", "22.6MB",
            "123.5GB",
        ];
        assert_eq!(told, expected);
    }
}
