//! File name patterns as Go's `filepath.Match` reads them: `*` and `?` stop at `/`, `[a-z]` and `[^a-z]`, `\` quotes.

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A pattern with a class that does not end, an empty one, or a `\` at its end.
    Malformed,
    /// It takes more steps than are left.
    Spent,
}

/// Whether `pattern` matches all of `name`. A step is a byte of the pattern that is looked at; those that were taken are taken off `steps`.
pub(super) fn matches(mut pattern: &[u8], mut name: &[u8], steps: &mut u64) -> Result<bool, Refused> {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&b'/'));
        }
        let mut follow = |name| {
            *steps = steps.checked_sub(chunk.len() as u64 + 1).ok_or(Refused::Spent)?;
            let after: Option<&[u8]> = match_chunk(chunk, name)?;
            // The last chunk must take all of the name.
            Ok(after.filter(|after| after.is_empty() || !rest.is_empty()))
        };
        if let Some(after) = follow(name)? {
            name = after;
            continue;
        }
        if star {
            let mut at = 0;
            while at < name.len() && name[at] != b'/' {
                if let Some(after) = follow(&name[at + 1..])? {
                    name = after;
                    continue 'pattern;
                }
                at += 1;
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// Splits the next run without `*` off a pattern; the flag says whether stars come before it.
fn next_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|b| **b == b'*').count();
    let pattern = &pattern[stars..];
    let mut in_class = false;
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    (stars > 0, &pattern[..at], &pattern[at..])
}

/// What is left of `name` after `chunk`, which has no star; the chunk is checked to its end even where it does not match.
fn match_chunk<'a>(mut chunk: &[u8], mut name: &'a [u8]) -> Result<Option<&'a [u8]>, Refused> {
    let mut failed = false;
    while let Some(&first) = chunk.first() {
        failed = failed || name.is_empty();
        match first {
            b'[' => {
                let mut wanted = None;
                if !failed {
                    let (found, length) = rune(name);
                    wanted = Some(found);
                    name = &name[length..];
                }
                let (matched, rest) = class(&chunk[1..], wanted)?;
                failed = failed || !matched;
                chunk = rest;
                continue;
            }
            b'?' => {
                if !failed {
                    failed = name[0] == b'/';
                    name = &name[rune(name).1..];
                }
            }
            first => {
                let mut literal = first;
                if first == b'\\' {
                    chunk = &chunk[1..];
                    literal = *chunk.first().ok_or(Refused::Malformed)?;
                }
                if !failed {
                    failed = literal != name[0];
                    name = &name[1..];
                }
            }
        }
        chunk = &chunk[1..];
    }
    Ok((!failed).then_some(name))
}

/// Whether `wanted` is in the class that begins `chunk` after its `[`, and what follows the class.
fn class(mut chunk: &[u8], wanted: Option<char>) -> Result<(bool, &[u8]), Refused> {
    let negated = chunk.first() == Some(&b'^');
    if negated {
        chunk = &chunk[1..];
    }
    let mut found = false;
    let mut first = true;
    loop {
        if !first && chunk.first() == Some(&b']') {
            return Ok((found != negated, &chunk[1..]));
        }
        let (low, rest) = class_end(chunk)?;
        let mut high = low;
        chunk = rest;
        if chunk.first() == Some(&b'-') {
            (high, chunk) = class_end(&chunk[1..])?;
        }
        found = found || wanted.is_some_and(|c| low <= c && c <= high);
        first = false;
    }
}

/// One end of a range in a class; something must follow it.
fn class_end(mut chunk: &[u8]) -> Result<(char, &[u8]), Refused> {
    if matches!(chunk.first(), None | Some(b'-' | b']')) {
        return Err(Refused::Malformed);
    }
    if chunk.first() == Some(&b'\\') {
        chunk = &chunk[1..];
    }
    if chunk.is_empty() {
        return Err(Refused::Malformed);
    }
    let (c, length) = rune(chunk);
    let rest = &chunk[length..];
    if rest.is_empty() || (c == char::REPLACEMENT_CHARACTER && length == 1) { Err(Refused::Malformed) } else { Ok((c, rest)) }
}

/// The first character of `text` and its length; the replacement character, one byte long, for what is not UTF-8. `text` is not empty.
fn rune(text: &[u8]) -> (char, usize) {
    let window = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab/c", Ok(false)),
            ("a*/b", "abc/b", Ok(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("a[^a][^a][^a]b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("a?b", "a/b", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-x]", "-", Ok(true)),
            ("[x-]", "x", Err(Refused::Malformed)),
            ("[-x]", "x", Err(Refused::Malformed)),
            ("[]a]", "]", Err(Refused::Malformed)),
            ("\\", "a", Err(Refused::Malformed)),
            ("[a-b-c]", "a", Err(Refused::Malformed)),
            ("[", "a", Err(Refused::Malformed)),
            ("[^bc", "a", Err(Refused::Malformed)),
            ("a[", "a", Err(Refused::Malformed)),
            ("a[", "ab", Err(Refused::Malformed)),
            ("a[", "x", Err(Refused::Malformed)),
            ("a/b[", "x", Err(Refused::Malformed)),
            ("*x", "xxx", Ok(true)),
            ("", "", Ok(true)),
            ("", "a", Ok(false)),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes(), &mut 1000), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn costly_patterns_are_given_up() {
        let (pattern, name) = ("*a".repeat(500) + "b", "a".repeat(2000));
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes(), &mut 1000), Err(Refused::Spent));
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes(), &mut 100_000), Ok(false));
    }
}
