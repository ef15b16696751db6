//! What a registry asks for in `WWW-Authenticate` (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

/// One way to authenticate, with its parameters; names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// A parameter, or nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// All challenges of one header. What makes no sense is passed over.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (name, after) = token(rest);
        if name.is_empty() {
            let mut characters = rest.chars();
            if characters.next().is_none() {
                return challenges;
            }
            rest = characters.as_str();
            continue;
        }
        rest = after;
        let Some(after) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else {
            challenges.push(Challenge { scheme: name.to_ascii_lowercase(), parameters: BTreeMap::new() });
            continue;
        };
        let (value, after) = value(after.trim_start_matches([' ', '\t']));
        rest = after;
        if let Some(challenge) = challenges.last_mut() {
            challenge.parameters.entry(name.to_ascii_lowercase()).or_insert(value);
        }
    }
}

/// The value of a parameter, a token or a quoted string, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = token(text);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, characters.as_str())
}

/// The token that `text` begins with, and what follows.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(header: &str) -> Vec<String> {
        let told = |challenge: Challenge| {
            let parameters: Vec<_> = challenge.parameters.iter().map(|(name, value)| format!("{name}=<{value}>")).collect();
            format!("{} {}", challenge.scheme, parameters.join(" ")).trim_end().to_owned()
        };
        parse(header).into_iter().map(told).collect()
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let docker = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            told(docker),
            ["bearer realm=<https://auth.docker.io/token> scope=<repository:a/b:pull,push> service=<registry.docker.io>"]
        );
        assert_eq!(
            told(r#"BASIC Realm = "a \"b\", c" , Bearer realm=x,service="""#),
            [r#"basic realm=<a "b", c>"#, "bearer realm=<x> service=<>"]
        );
        assert_eq!(told("Basic"), ["basic"]);
        assert_eq!(told("Negotiate, Basic realm=x"), ["negotiate", "basic realm=<x>"]);
        assert_eq!(told("Negotiate YWJj==, Bearer realm=x"), ["negotiate ywjj=<>", "bearer realm=<x>"]);
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        assert!(told("").is_empty());
        assert!(told(" ,,, \"\"").is_empty());
        assert!(told("realm=\"x\"").is_empty());
        assert_eq!(told("Bearer realm=\"unended"), ["bearer realm=<unended>"]);
        assert_eq!(told("Bearer realm=\"a\\"), ["bearer realm=<a>"]);
        assert_eq!(told("Bearer \u{e4}\u{f6} realm=x, realm=y"), ["bearer realm=<x>"]);
    }
}
