//! Our answers compared with Go's. Each table in `golden/` was written once by a program in Go 1.26.8 that called the functions that the first
//! line of the table names; each further line is a case in JSON.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use headwater_golang::filepath::{self, Pattern, Refusal};
use headwater_golang::regexp::Regexp;
use headwater_golang::{float, json, size, time, unicode};
use serde::de::DeserializeOwned;

/// The cases of a table.
fn cases<T: DeserializeOwned>(table: &str) -> Vec<T> {
    let cases: Vec<T> = table.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(table.starts_with("# ") && cases.len() > 20);
    cases
}

#[test]
fn texts_are_quoted() {
    for (text, answer) in cases::<(String, String)>(include_str!("golden/quote.jsonl")) {
        assert_eq!(headwater_golang::quote(&text), answer);
    }
}

#[test]
fn strings_are_json() {
    for (text, answer) in cases::<(String, String)>(include_str!("golden/json_string.jsonl")) {
        assert_eq!(json::string(&text), answer);
        assert_eq!(json::value(&text.into()), answer);
    }
}

#[test]
fn characters_are_printable() {
    let ranges: Vec<(u32, u32)> = cases(include_str!("golden/is_print.jsonl"));
    let mut expected = ranges.iter().flat_map(|(first, last)| *first..=*last).filter_map(char::from_u32);
    for c in (char::MIN..=char::MAX).filter(|c| unicode::is_print(*c)) {
        assert_eq!(Some(c), expected.next());
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn floats_of_64_bits_are_written() {
    for (bits, general, fixed, in_json) in cases::<(String, String, Option<String>, Option<String>)>(include_str!("golden/float64.jsonl")) {
        let number = f64::from_bits(u64::from_str_radix(&bits, 16).unwrap());
        assert_eq!(float::general(number), general);
        assert!(fixed.is_none_or(|fixed| float::fixed(number) == fixed), "{general}");
        assert_eq!(json::number(number), in_json, "{general}");
    }
}

#[test]
fn floats_of_32_bits_are_written() {
    for (bits, general) in cases::<(String, String)>(include_str!("golden/float32.jsonl")) {
        assert_eq!(float::general_32(f32::from_bits(u32::from_str_radix(&bits, 16).unwrap())), general);
    }
}

#[test]
fn paths_are_cleaned_and_split() {
    for (path, clean, base, extension) in cases::<(String, String, String, String)>(include_str!("golden/path.jsonl")) {
        assert_eq!((filepath::clean(&path), filepath::base(&path), filepath::extension(&path)), (clean, &*base, &*extension), "{path:?}");
    }
}

#[test]
fn names_match_patterns() {
    let bytes = |latin: &str| latin.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>();
    for (pattern, name, answer) in cases::<(String, String, Option<bool>)>(include_str!("golden/match.jsonl")) {
        let compiled = Pattern::new(&bytes(&pattern));
        assert_eq!(compiled.matches_within(&bytes(&name), &mut 1000), answer.ok_or(Refusal::Malformed), "{pattern:?} {name:?}");
        assert_eq!(compiled.matches(&bytes(&name)), answer == Some(true), "{pattern:?} {name:?}");
        assert!(answer.is_some() || compiled.is_malformed(), "{pattern:?}");
    }
}

#[test]
fn regular_expressions_match() {
    // Where we differ, as the comment of the module says: true for what we take and Go does not, false the other way round.
    let differ = ["a**", "a++", "x{1001}", "(?x)a b", "(?u)a", r"\u0041", "[[:foo:]]"].map(|takes| (takes, true));
    let differ: BTreeMap<_, _> = differ.into_iter().chain([("(?P<n>a)(?P<n>b)", false), ("a(?i)*", false)]).collect();
    for (expression, text, answer) in cases::<(String, String, Option<bool>)>(include_str!("golden/regexp.jsonl")) {
        let found = Regexp::new(&expression, Regexp::LARGEST).ok().map(|regexp| regexp.is_match(&text));
        match differ.get(&*expression) {
            Some(ours) => assert_eq!((found.is_some(), answer.is_some()), (*ours, !*ours), "{expression}"),
            None => assert_eq!(found, answer, "{expression} {text:?}"),
        }
    }
}

#[test]
fn times_are_read_and_written() {
    type Case = (String, Option<String>, Option<i64>, Option<u32>);
    for (text, written, seconds, nanoseconds) in cases::<Case>(include_str!("golden/time.jsonl")) {
        assert_eq!(time::normalise(&text), written, "{text}");
        assert_eq!(written.and_then(|written| time::instant(&written)), seconds.zip(nanoseconds), "{text}");
    }
}

#[test]
fn truth_values_are_read() {
    for (text, answer) in cases::<(String, Option<bool>)>(include_str!("golden/parse_bool.jsonl")) {
        assert_eq!(headwater_golang::bool::parse(&text), answer, "{text}");
    }
}

#[test]
fn sizes_are_written() {
    for (bytes, answer) in cases::<(String, String)>(include_str!("golden/size.jsonl")) {
        assert_eq!(size::human(bytes.parse().unwrap()), answer, "{bytes}");
    }
}
