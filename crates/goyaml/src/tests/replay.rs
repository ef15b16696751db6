//! Documents step by step, aliases replaced.

use std::fmt::Write as _;

use crate::{Error, Replay, Step};

/// The steps of a document as text: those of scalars with their texts, `<<` where one merges.
fn steps(text: &str) -> Result<String, Error> {
    limited(text, 1000)
}

fn limited(text: &str, alias_text: u64) -> Result<String, Error> {
    let Some(mut replay) = Replay::open(text.as_bytes(), alias_text)? else { return Ok(String::new()) };
    let (mut told, mut open) = (String::new(), 0);
    loop {
        match replay.next()? {
            Step::List => {
                told.push_str(" [");
                open += 1;
            }
            Step::Map => {
                told.push_str(" {");
                open += 1;
            }
            Step::End => {
                told.push_str(" .");
                open -= 1;
            }
            Step::Scalar(_) if replay.is_merge() => told.push_str(" <<"),
            Step::Scalar(meaning) => write!(told, " {meaning:?}:{}", replay.text()).unwrap(),
        }
        if open == 0 {
            replay.finish()?;
            return Ok(told.trim_start().to_owned());
        }
    }
}

fn refusal(text: &str) -> String {
    steps(text).unwrap_err().to_string()
}

#[test]
fn scalars_come_with_what_they_mean() {
    let text = "[a, '1', 1, 18446744073709551615, 1.5, yes, ~, !!str 1, !!binary aGk=, '<<', 2001-01-01]";
    let told = "[ Text:a Text:1 Int(1):1 Uint(18446744073709551615):18446744073709551615 Float(1.5):1.5 Bool(true):yes Null:~ Text:1 Text:hi Text:<< \
                Text:2001-01-01 .";
    assert_eq!(steps(text).unwrap(), told);
    assert!(refusal("!!int x").ends_with("yaml: cannot decode !!str `x` as a !!int"));
    assert_eq!(steps("# nothing").unwrap(), "");
}

#[test]
fn aliases_are_replaced_also_within_what_is_anchored() {
    let text = "a: &a [x, &b {c: 1}]\nd: *a\ne: &e [*b, *a]\nf: *e\n<<: *b\n&k k: *k\n";
    let (a, b) = ("[ Text:x { Text:c Int(1):1 . .", "{ Text:c Int(1):1 .");
    let told = format!("{{ Text:a {a} Text:d {a} Text:e [ {b} {a} . Text:f [ {b} {a} . << {b} Text:k Text:k .");
    assert_eq!(steps(text).unwrap(), told);
    assert!(refusal("- &a x\n- *b").ends_with("yaml: unknown anchor 'b' referenced"));
    assert!(refusal("a: &a [*a]").ends_with("yaml: anchor 'a' value contains itself"));
    // Of two anchors of a name the last before the alias counts.
    assert_eq!(steps("[&a 1, *a, &a 2, *a]").unwrap(), "[ Int(1):1 Int(1):1 Int(2):2 Int(2):2 .");
}

#[test]
fn what_aliases_bring_in_is_bounded() {
    let mut bomb = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        writeln!(bomb, "- &a{level} [{alias}]").unwrap();
    }
    let excessive = "error converting YAML to JSON: yaml: document contains excessive aliasing";
    assert_eq!(limited(&bomb, u64::MAX).unwrap_err().to_string(), excessive);
    assert!(limited("[&a 12345, *a, *a]", 10).is_ok());
    assert_eq!(limited("[&a 12345, *a, *a]", 9).unwrap_err().to_string(), excessive);
    assert_eq!(refusal(&format!("&a [{}]", "1,".repeat(1_000_001))), excessive);
}

#[test]
fn the_rest_of_a_document_can_be_passed_over() {
    let after_two = |text: &str, deepest| {
        let mut replay = Replay::open(text.as_bytes(), 0).unwrap().unwrap();
        replay.next().unwrap();
        replay.next().unwrap();
        replay.exhaust(deepest)
    };
    assert_eq!(after_two("[a, {b: [c]}]\n---\n[: {", 100), Ok(()));
    assert!(after_two("[a, {b: [c]", 100).is_err());
    assert_eq!(after_two("[a, {b: [c]", 1), Ok(()), "it does not get so far");
    let mut replay = Replay::open("a".as_bytes(), 0).unwrap().unwrap();
    replay.next().unwrap();
    assert!(replay.next().is_err(), "there is no step behind the document");
}
