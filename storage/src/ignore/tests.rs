use bstr::{BStr, BString};
use proptest::prelude::*;

use super::Ignore;

fn out(rules: &str, path: &str) -> bool {
    let dir = path.ends_with('/');
    Ignore::new(&[], Some(rules)).is_ignored(BStr::new(path.trim_end_matches('/')), dir)
}

#[test]
fn rules_without_a_slash_match_any_part() {
    assert!(out("*.md", "a.md"));
    assert!(out("*.md", "x/y/a.md"));
    assert!(out("*.md", "x.md/y"));
    assert!(!out("*.md", "a.mdx"));
    assert!(out("build/", "build/"));
    assert!(out("build/", "x/build/y"));
    assert!(!out("build/", "build"));
}

#[test]
fn rules_with_a_slash_start_at_their_directory() {
    assert!(out("/a", "a"));
    assert!(out("/a", "a/b"));
    assert!(!out("/a", "b/a"));
    assert!(out("a/b", "a/b/c"));
    assert!(!out("a/b", "x/a/b"));
    assert!(out("a/b/", "a/b/"));
    assert!(!out("a/b/", "a/b"));
}

#[test]
fn double_stars_cross_directories() {
    assert!(out("**/a", "a"));
    assert!(out("**/a", "x/y/a"));
    assert!(out("a/**/b", "a/b"));
    assert!(out("a/**/b", "a/x/y/b"));
    assert!(!out("a/**/b", "a/x"));
    assert!(out("a/**", "a/"), "the directory itself, unlike Git");
    assert!(out("a/**", "a/b/c"));
    assert!(!out("**/", "x"), "only a directory's name, not a file's");
    assert!(!out("a/b**", "a/bc"), "never, within a longer name");
    assert!(out("a**", "abc"), "but without slashes it is one star");
}

#[test]
fn the_last_rule_wins_and_children_are_judged_alone() {
    assert!(!out("*.md\n!a.md", "a.md"));
    assert!(out("!a.md\n*.md", "a.md"));
    assert!(out("/*\n!/dir", "other/x"));
    assert!(out("dir/\n!dir/keep", "dir/"));
    assert!(!out("dir/\n!dir/keep", "dir/keep"));
}

#[test]
fn comments_blanks_and_line_ends() {
    assert!(!out("# a\n\n \t\n", "a"));
    assert!(out("a\r\nb\r\n", "a"));
    assert!(out("a   ", "a"));
    assert!(out("a\\ ", "a "));
    assert!(out("\\#a", "#a"));
    assert!(out("\\!a", "!a"));
    assert!(!out("[a\n!", "a"), "malformed rules match nothing");
}

#[test]
fn a_line_that_is_too_long_ends_the_file() {
    let rules = |length: usize| format!("a\n{}\nb", "#".repeat(length));
    assert!(out(&rules(65535), "b"));
    assert!(!out(&rules(65536), "b"));
    assert!(out(&rules(65536), "a"));
}

#[test]
fn defaults_apply_until_a_rule_is_given() {
    for rules in [None, Some(""), Some("# only a comment\n")] {
        assert!(Ignore::new(&[], rules).is_ignored(BStr::new("x/a.png"), false));
    }
    assert!(!out("other", "a.png"));
    assert!(!out("[", "a.png"), "even a malformed one");
    assert!(out("other", ".gitignore"));
    assert!(!out("!.gitignore", ".gitignore"));
    assert!(out("other", ".git/config"));
    let files = [(BString::from("x"), b"y".to_vec())];
    assert!(!Ignore::new(&files, None).is_ignored(BStr::new("a.png"), false));
}

#[test]
fn files_speak_of_their_directory_and_deeper_ones_win() {
    let file = |dir: &str, text: &str| (BString::from(dir), text.as_bytes().to_vec());
    let files = [file("a/b", "!x\n/z"), file("", "x\n"), file("a", "y\n"), file("a/.git", "w")];
    let ignore = Ignore::new(&files, Some("!y"));
    let out = |path: &str| ignore.is_ignored(BStr::new(path), false);
    assert!(out("x") && out("a/x") && out("c/x"));
    assert!(!out("a/b/x") && !out("a/b/c/x"));
    assert!(!out("a/y"), "the object's own rules win");
    assert!(out("a/b/z") && !out("a/b/c/z") && !out("z"));
    assert!(!out("a/w"));
}

#[test]
fn the_root_is_never_left_out() {
    assert!(!out("*\n.\n/**", "."));
    assert!(!out("*\n.\n/**", ""));
}

proptest! {
    #[test]
    fn any_bytes_are_rules(text in proptest::collection::vec(any::<u8>(), 0..60), path in "[a-c*!./ ]{0,12}") {
        let files = [(BString::default(), text)];
        let path = BStr::new(&path);
        let ignore = Ignore::new(&files, None);
        ignore.is_ignored(path, true);
        ignore.is_ignored(path, false);
    }

    #[test]
    fn what_is_taken_back_is_in(rules in "([a-c*/]{1,4}\n){0,5}", path in "[a-c]{1,2}(/[a-c]{1,2}){0,3}") {
        let (back, all) = (rules.clone() + "!*\n", rules + "*\n");
        prop_assert!(!out(&back, &path));
        prop_assert!(out(&all, &path));
    }

    #[test]
    fn a_plain_name_matches_the_parts_that_equal_it(name in "[a-b]{1,2}", path in "[a-b]{1,2}(/[a-b]{1,2}){0,3}") {
        prop_assert_eq!(out(&name, &path), path.split('/').any(|part| part == name));
        let below = format!("/{path}/").starts_with(&format!("/{name}/"));
        prop_assert_eq!(out(&format!("/{name}"), &path), below);
    }
}
