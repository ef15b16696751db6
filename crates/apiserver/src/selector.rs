//! Label and field selectors, as they stand in a query.

use std::fmt::Debug;

use headwater_golang::quote;
use serde_json::Value;

/// What an object has to be like to be listed.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Reads a label selector and a field selector; `fields` are the paths besides name and namespace that may be asked for.
    ///
    /// # Errors
    /// What is wrong with one of them, for the client.
    pub fn parse(labels: &str, fields: &str, known: &[&str]) -> Result<Self, String> {
        let labels = labels_of(labels).map_err(|why| format!("unable to parse requirement: {why}"))?;
        let fields = fields_of(fields)?;
        let unknown =
            fields.iter().find(|field| !["metadata.name", "metadata.namespace"].contains(&&*field.key) && !known.contains(&&*field.key));
        match unknown {
            Some(unknown) => Err(format!("field label not supported: {}", unknown.key)),
            None => Ok(Self { labels, fields }),
        }
    }

    /// Whether every object is selected.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name that is selected, where the selector says so.
    pub fn name(&self) -> Option<&str> {
        self.fields.iter().find_map(|field| match &field.test {
            Test::In(names) if field.key == "metadata.name" => names.first().map(String::as_str),
            _ => None,
        })
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        let label = |requirement: &Requirement| requirement.accepts(object["metadata"]["labels"][&requirement.key].as_str());
        let field = |requirement: &Requirement| {
            let value = requirement.key.split('.').fold(object, |value, key| &value[key]);
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            requirement.accepts(Some(&text))
        };
        self.labels.iter().all(label) && self.fields.iter().all(field)
    }
}

impl Requirement {
    fn accepts(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Test::Above(bound) => number().is_some_and(|number| number > *bound),
            Test::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

fn fields_of(text: &str) -> Result<Vec<Requirement>, String> {
    let one = |term: &str| {
        let (key, wanted, differs) = if let Some((key, wanted)) = term.split_once("!=") {
            (key, wanted, true)
        } else if let Some((key, wanted)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (key, wanted, false)
        } else {
            return Err(format!("invalid selector: '{term}'; can't understand '{term}'"));
        };
        let wanted = vec![wanted.trim().to_owned()];
        Ok(Requirement { key: key.trim().into(), test: if differs { Test::NotIn(wanted) } else { Test::In(wanted) } })
    };
    text.split(',').filter(|term| !term.is_empty()).map(one).collect()
}

fn labels_of(text: &str) -> Result<Vec<Requirement>, String> {
    let mut tokens = Tokens(text);
    let mut found = Vec::new();
    while !tokens.is_empty() {
        found.push(requirement(&mut tokens)?);
        match tokens.next().as_deref() {
            None => break,
            Some(",") if !tokens.is_empty() => {}
            Some(",") => return Err("found '', expected: identifier after ','".into()),
            Some(other) => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
    Ok(found)
}

fn requirement(tokens: &mut Tokens) -> Result<Requirement, String> {
    let first = tokens.next().unwrap_or_default();
    if first == "!" {
        return Ok(Requirement { key: word(tokens.next(), "identifier")?, test: Test::Missing });
    }
    let key = word(Some(first), "!, identifier, or 'end of string'")?;
    let operator = if matches!(tokens.peek().as_deref(), None | Some(",")) { None } else { tokens.next() };
    let test = match operator.as_deref() {
        None => Test::Exists,
        Some("=" | "==") => Test::In(vec![value(tokens)?]),
        Some("!=") => Test::NotIn(vec![value(tokens)?]),
        Some("in") => Test::In(values(tokens)?),
        Some("notin") => Test::NotIn(values(tokens)?),
        Some(bound @ (">" | "<")) => {
            let text = value(tokens)?;
            let number = text.parse().map_err(|_| {
                format!("values[0][{key}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", quote(&text))
            })?;
            if bound == ">" { Test::Above(number) } else { Test::Below(number) }
        }
        Some(other) => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
    };
    Ok(Requirement { key, test })
}

fn word(token: Option<String>, expected: &str) -> Result<String, String> {
    match token {
        Some(word) if !word.starts_with(['=', '!', ',', '(', ')', '<', '>']) && !word.is_empty() => Ok(word),
        other => Err(format!("found '{}', expected: {expected}", other.unwrap_or_default())),
    }
}

/// What stands behind an operator; nothing is the empty value.
fn value(tokens: &mut Tokens) -> Result<String, String> {
    if matches!(tokens.peek().as_deref(), None | Some(",")) { Ok(String::new()) } else { word(tokens.next(), "identifier") }
}

fn values(tokens: &mut Tokens) -> Result<Vec<String>, String> {
    match tokens.next().as_deref() {
        Some("(") => {}
        other => return Err(format!("found '{}' expected: '('", other.unwrap_or_default())),
    }
    let mut found = Vec::new();
    loop {
        match tokens.next().as_deref() {
            Some(")") => return Ok(found),
            Some(",") => {}
            Some(other) => found.push(word(Some(other.into()), "',', ')' or identifier")?),
            None => return Err("found '', expected: ',', or ')'".into()),
        }
    }
}

/// Words and operators, one after the other.
struct Tokens<'a>(&'a str);

impl Tokens<'_> {
    fn is_empty(&self) -> bool {
        self.0.trim_start().is_empty()
    }

    fn peek(&self) -> Option<String> {
        Tokens(self.0).next()
    }

    fn next(&mut self) -> Option<String> {
        self.0 = self.0.trim_start();
        let operator = ["==", "!=", "=", "!", ",", "(", ")", "<", ">"].into_iter().find(|operator| self.0.starts_with(operator));
        let end = match operator {
            Some(operator) => operator.len(),
            None => self.0.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(self.0.len()),
        };
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then(|| token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(labels: &str, object: &Value) -> Option<bool> {
        Selector::parse(labels, "", &[]).ok().map(|selector| selector.matches(object))
    }

    #[test]
    fn labels_are_compared_as_kubectl_writes_them() {
        let object = json!({"metadata": {"labels": {"app": "a", "tier": "web", "n": "5", "x.io/empty": ""}}});
        for yes in [
            "",
            "app",
            "app=a",
            "app==a",
            "app = a",
            "app!=b",
            "app in (a,b)",
            "app in ( b , a ),tier=web",
            "app notin (b)",
            "!other",
            "other!=x",
            "n>4",
            "n<6",
            "x.io/empty=",
            "x.io/empty",
            "other notin (x)",
            "x.io/empty=,app=a",
        ] {
            assert_eq!(selects(yes, &object), Some(true), "{yes}");
        }
        for no in ["app=b", "!app", "other", "app in (b)", "app notin (a)", "n>5", "n<5", "other>1", "app=a,tier=db", "app="] {
            assert_eq!(selects(no, &object), Some(false), "{no}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in ["a===b", "=b", "a in b", "a in (b", "a b", "a,", "!", "n>x", "a!", "(a)"] {
            assert_eq!(selects(bad, &json!({})), None, "{bad}");
        }
    }

    #[test]
    fn fields_are_compared_and_unknown_ones_refused() {
        let object = json!({"metadata": {"name": "x", "namespace": "y"}, "involvedObject": {"kind": "Secret"}});
        let parse = |text| Selector::parse("", text, &["involvedObject.kind", "involvedObject.uid"]);
        for (text, expected) in [
            ("metadata.name=x", true),
            ("metadata.name==x,metadata.namespace!=z", true),
            ("metadata.name!=x", false),
            ("involvedObject.kind=Secret", true),
            ("involvedObject.uid=", true),
            ("involvedObject.uid=1", false),
        ] {
            assert_eq!(parse(text).map(|selector| selector.matches(&object)), Ok(expected), "{text}");
        }
        assert_eq!(parse("spec.x=1").map(|_| ()), Err("field label not supported: spec.x".into()));
        assert!(parse("nonsense").is_err());
        assert_eq!(parse("metadata.name=x").unwrap_or_default().name(), Some("x"));
    }
}
