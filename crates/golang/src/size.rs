//! Sizes for people: `%.4g` and a unit, as programs in Go print them.

/// Writes a size in bytes with at most four significant digits, in decimal units from `B` to `EB`: `1.259kB`.
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
