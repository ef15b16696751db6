//! Where a list goes on: the `Link` header (RFC 8288).

/// The reference of the next page, as it stands between `<` and `>`. `None` when there is no further page.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn next(header: &str) -> Result<Option<&str>, String> {
    let mut rest = header.trim();
    while !rest.is_empty() {
        let wrong = |what: &str| format!("invalid next link {rest:?}: missing '{what}'");
        let (target, after) = rest.strip_prefix('<').ok_or_else(|| wrong("<"))?.split_once('>').ok_or_else(|| wrong(">"))?;
        let (parameters, after) = after.split_at(end(after));
        let relation = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("rel="));
        // Registries that say nothing about a link mean the next page.
        if relation.is_none_or(|relation| relation.trim_matches('"').split(' ').any(|word| word.eq_ignore_ascii_case("next"))) {
            return Ok(Some(target));
        }
        rest = after.trim_start_matches([',', ' ', '\t']);
    }
    Ok(None)
}

/// Where the parameters of a link end: at a comma that is not quoted.
fn end(text: &str) -> usize {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        assert_eq!(next(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#), Ok(Some("/v2/a/tags/list?last=b&n=2")));
        assert_eq!(next("</x>"), Ok(Some("/x")));
        assert_eq!(next(r#"</p>; rel=prev; title="a, b", </n>; rel="last next""#), Ok(Some("/n")));
        assert_eq!(next(r#"</p>; rel="prev""#), Ok(None));
        assert_eq!(next(""), Ok(None));
        assert_eq!(next("x"), Err(r#"invalid next link "x": missing '<'"#.to_owned()));
        assert_eq!(next("<x"), Err(r#"invalid next link "<x": missing '>'"#.to_owned()));
    }
}
