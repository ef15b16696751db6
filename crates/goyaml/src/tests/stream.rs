//! Streams: blocks, encodings, documents, and what is read of them when.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use proptest::prelude::*;

use super::{LIMITS, refusal};
use crate::{Error, Event, Events, parse};

/// All events and the lines they begin in, or the error behind them.
fn events(reader: impl BufRead) -> (Vec<(Event, usize)>, Option<Error>) {
    let mut events = Events::new(reader);
    let mut found = Vec::new();
    loop {
        match events.next() {
            Ok(Some(event)) => found.push((event, events.line())),
            Ok(None) => return (found, None),
            Err(error) => {
                assert_eq!(events.next(), Ok(None), "nothing comes behind an error");
                return (found, Some(error));
            }
        }
    }
}

fn scalar(text: &str) -> Event {
    Event::Scalar { anchor: None, tag: None, text: text.to_owned(), plain: true }
}

#[test]
fn a_stream_is_read_as_events_with_their_lines() {
    let text = "a: &x\n- 'b'\n- *x\n\n---\n!!int 1\n...\n---\n[a: b]\n";
    let (found, error) = events(text.as_bytes());
    let quoted = Event::Scalar { anchor: None, tag: None, text: "b".to_owned(), plain: false };
    let tagged = Event::Scalar { anchor: None, tag: Some("tag:yaml.org,2002:int".to_owned()), text: "1".to_owned(), plain: false };
    let begins: Vec<(Event, usize)> = found.into_iter().filter(|(event, _)| !matches!(event, Event::End | Event::DocumentEnd)).collect();
    assert_eq!(
        begins,
        [
            (Event::DocumentStart, 0),
            (Event::MapStart { anchor: None }, 0),
            (scalar("a"), 0),
            (Event::ListStart { anchor: Some("x".to_owned()) }, 0),
            (quoted, 1),
            (Event::Alias("x".to_owned()), 2),
            (Event::DocumentStart, 4),
            (tagged, 5),
            (Event::DocumentStart, 7),
            (Event::ListStart { anchor: None }, 8),
            (Event::MapStart { anchor: None }, 8),
            (scalar("a"), 8),
            (scalar("b"), 8),
        ]
    );
    assert_eq!(error, None);
}

#[test]
fn handles_of_tags_hold_for_one_document() {
    let (found, error) = events("%TAG !e! tag:e:\n--- !e!x a\n--- !e!x b\n".as_bytes());
    assert!(matches!(&found[1].0, Event::Scalar { tag: Some(tag), .. } if tag == "tag:e:x"));
    assert_eq!(error.unwrap().to_string(), "error converting YAML to JSON: yaml: line 2: found undefined tag handle");
}

#[test]
fn no_more_is_read_than_is_needed() {
    struct Counting<'c>(&'c Cell<usize>);
    impl Read for Counting<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let line = b"- item\n";
            into[..line.len()].copy_from_slice(line);
            self.0.set(self.0.get() + line.len());
            Ok(line.len())
        }
    }
    let count = Cell::new(0);
    let mut endless = Events::new(BufReader::new(Counting(&count)));
    for _ in 0..100_000 {
        endless.next().unwrap().unwrap();
    }
    assert!(count.get() < 7 * 100_000 + 1024, "{} bytes", count.get());
}

#[test]
fn what_the_reader_fails_with_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let (found, error) = events(BufReader::new("a: b\nc: ".as_bytes().chain(Broken)));
    assert_eq!(found.len(), 4);
    assert!(matches!(&error, Some(Error::Input(error)) if error.kind() == io::ErrorKind::Other));
    assert_eq!(error.unwrap().to_string(), "error converting YAML to JSON: yaml: input error: broken");
}

#[test]
fn faults_of_the_encoding_are_told_as_upstream_tells_them() {
    let cases: [(&[u8], &str); 13] = [
        (b"a: \xc0\x80", "invalid length of a UTF-8 sequence"),
        (b"a: \xe0\x80\x80", "invalid length of a UTF-8 sequence"),
        (b"a: \xc3", "incomplete UTF-8 octet sequence"),
        (b"a: \xc3(", "invalid trailing UTF-8 octet"),
        (b"a: \xed\xa0\x80", "invalid Unicode character"),
        (b"a: \xf4\x90\x80\x80", "invalid Unicode character"),
        (b"a: \x80", "invalid leading UTF-8 octet"),
        (b"a: \xf8", "invalid leading UTF-8 octet"),
        (b"\xff\xfea\0:\0 \0\0\xdc", "unexpected low surrogate area"),
        (b"\xff\xfea\0:\0 \0\0\xd8", "incomplete UTF-16 surrogate pair"),
        (b"\xff\xfea\0:\0 \0\0\xd8a\0", "expected low surrogate area"),
        (b"\xff\xfea\0:\0 \0a", "incomplete UTF-16 character"),
        // The first fault is told.
        (b"a: \x7f\xff", "control characters are not allowed"),
    ];
    for (text, problem) in cases {
        let told = parse(text, LIMITS).unwrap_err().to_string();
        assert_eq!(told, format!("error converting YAML to JSON: yaml: {problem}"), "{text:?}");
    }
}

#[test]
fn faults_behind_what_is_read_are_not_told() {
    let behind = |text: &str, length: usize| [text.as_bytes(), "#".repeat(length).as_bytes(), b"\xff"].concat();
    assert!(parse(&behind("a: 1\n---\n", 600), LIMITS).is_ok());
    // Upstream decodes blocks of 512 bytes.
    let told = |length| parse(&behind("a: b: c\n", length), LIMITS).unwrap_err().to_string();
    assert!(told(300).ends_with("yaml: invalid leading UTF-8 octet"));
    assert!(told(600).ends_with("yaml: mapping values are not allowed in this context"));
}

#[test]
fn characters_may_lie_across_blocks() {
    for before in 500..520 {
        let text = format!("{}é漢😀\u{2028}x: {{a: b}}\r\n", "k".repeat(before));
        let marked: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
        let little: Vec<u8> = marked.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = marked.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let whole = refusal(&text);
        for other in [little, big] {
            assert_eq!(parse(&other, LIMITS).unwrap_err().to_string(), whole, "{before}");
        }
        let text = text.replace('\u{2028}', "");
        assert_eq!(events(BufReader::with_capacity(1, text.as_bytes())), events(text.as_bytes()), "{before}");
    }
}

proptest! {
    #[test]
    fn pieces_make_no_difference(text in "[a-c:,\\[\\]{}&*!|>%@'\"\\\\?#\t \r\n\u{85}é😀-]{0,60}", size in 1usize..9, before in 490usize..515) {
        let text = format!("#{}\n{text}", "p".repeat(before));
        prop_assert_eq!(events(BufReader::with_capacity(size, text.as_bytes())), events(text.as_bytes()));
    }
}
