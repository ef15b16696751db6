//! `strconv.ParseBool`.

/// Reads a truth value in one of the twelve spellings that Go takes, such as `true`, `T` and `1`.
pub fn parse(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
