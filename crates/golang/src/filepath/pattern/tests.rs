use proptest::prelude::*;

use super::*;

#[test]
fn costly_patterns_are_given_up() {
    let (pattern, name) = (Pattern::new(("*a".repeat(500) + "b").as_bytes()), "a".repeat(2000));
    assert_eq!(pattern.matches_within(name.as_bytes(), &mut 1000), Err(Refusal::Spent));
    assert_eq!(pattern.matches_within(name.as_bytes(), &mut 100_000), Ok(false));
}

#[test]
fn steps_are_taken_off_the_budget() {
    let mut steps = 10;
    assert_eq!(Pattern::new(b"a?c").matches_within(b"abc", &mut steps), Ok(true));
    assert_eq!(steps, 6, "three parts and the end");
    assert_eq!(Pattern::new(b"abcdefgh").matches_within(b"abcdefgh", &mut steps), Err(Refusal::Spent));
    assert_eq!(steps, 0);
}

#[test]
fn malformed_patterns_are_known_before_any_name() {
    for pattern in ["[", "[^", "[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "a[", "\\", "[^bc", "a*[", "a*b*\\"] {
        assert!(Pattern::new(pattern.as_bytes()).is_malformed(), "{pattern}");
    }
    assert!(Pattern::new(b"[\xff]").is_malformed());
    for pattern in ["", "a", "*", "[a]", "]", "\\[", "[[]"] {
        assert!(!Pattern::new(pattern.as_bytes()).is_malformed(), "{pattern}");
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..24)
}

fn agrees(pattern: &[u8], name: &[u8]) -> Result<(), TestCaseError> {
    let pattern = Pattern::new(pattern);
    let answer = pattern.matches_within(name, &mut 10_000);
    prop_assert_ne!(answer, Err(Refusal::Spent));
    prop_assert_eq!(answer == Ok(true), pattern.matches(name));
    prop_assert!(!(pattern.is_malformed() && pattern.matches(name)));
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_a_pattern_and_a_name(pattern in bytes(), name in bytes()) {
        agrees(&pattern, &name)?;
    }

    /// Most of these are compared without going through their parts.
    #[test]
    fn both_ways_to_match_agree(pattern in r"[ab*/?\\\[\]^-]{0,6}", name in "[ab/]{0,5}") {
        agrees(pattern.as_bytes(), name.as_bytes())?;
    }

    #[test]
    fn a_quoted_name_matches_itself_alone(name in bytes(), other in bytes()) {
        let quoted: Vec<u8> = name.iter().flat_map(|byte| [b'\\', *byte]).collect();
        prop_assert!(Pattern::new(&quoted).matches(&name));
        prop_assert_eq!(Pattern::new(&quoted).matches(&other), name == other);
    }
}
