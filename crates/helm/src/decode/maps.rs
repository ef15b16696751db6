//! Maps and Go structs: keys that are merged, repeated, unknown or of another case.

use std::collections::{HashMap, HashSet};

use super::source::{Event, Kind, Rules, Source};
use super::{Decoder, Fault, number};

/// Reads the value of a key, given the keys so far.
type Each<'f, D> = dyn FnMut(&mut D, &str, &Seen) -> Result<(), Fault> + 'f;

/// The keys of a map so far.
#[derive(Default)]
struct Seen {
    few: Vec<String>,
    many: HashSet<String>,
}

impl Seen {
    /// Adds a key and says whether it is new.
    fn add(&mut self, key: &str) -> bool {
        if self.has(key) {
            return false;
        }
        if self.few.len() < 32 {
            self.few.push(key.to_owned());
            return true;
        }
        self.many.insert(key.to_owned())
    }

    fn has(&self, key: &str) -> bool {
        self.few.iter().any(|k| k == key) || self.many.contains(key)
    }
}

impl<S: Source> Decoder<S> {
    /// Reads a Go struct of the given fields; `each` reads the value of the field that it is given, which begins with the event.
    pub(crate) fn fields(
        &mut self,
        event: Event,
        name: &'static str,
        fields: &[&[&'static str]],
        mut each: impl FnMut(&mut Self, &'static str, Event) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let holder = name.rsplit('.').next().unwrap_or(name);
        // Of each field the last of the keys, as they sort, that are not written as it is.
        let mut odd: HashMap<&'static str, String> = HashMap::new();
        self.pairs_of(event, name, &mut |decoder: &mut Self, key: &str, seen: &Seen| {
            let fields = || fields.iter().copied().flatten().copied();
            let exact = fields().find(|field| *field == key);
            let field = exact.or_else(|| {
                let wanted = folded(key);
                fields().find(|field| folded(field) == wanted)
            });
            let Some(field) = field else {
                return if decoder.source.rules() == Rules::Strict {
                    Err(decoder.complain(&format!("json: unknown field {key:?}")))
                } else {
                    decoder.skip()
                };
            };
            if decoder.source.rules() == Rules::Strict {
                // Of several keys for a field, the last as they sort counts.
                let behind = odd.get(field).is_some_and(|other| other.as_str() > key);
                if behind || (exact.is_none() && field > key && seen.has(field)) {
                    return decoder.skip();
                }
                if exact.is_none() {
                    odd.insert(field, key.to_owned());
                }
            }
            let event = decoder.next()?;
            let outer = std::mem::replace(&mut decoder.path.0, holder);
            decoder.path.1.push(field);
            each(decoder, field, event)?;
            decoder.path.1.pop();
            decoder.path.0 = outer;
            Ok(())
        })
    }

    /// Reads a map; `each` reads the value of the key that it is given.
    pub(crate) fn map(
        &mut self,
        event: Event,
        name: &str,
        mut each: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.pairs_of(event, name, &mut |decoder: &mut Self, key: &str, _: &Seen| each(decoder, key))
    }

    fn pairs_of(&mut self, event: Event, name: &str, each: &mut Each<'_, Self>) -> Result<(), Fault> {
        if event == Event::Map { self.pairs(&mut Seen::default(), each) } else { Err(self.mismatch(event, name)) }
    }

    fn pairs(&mut self, seen: &mut Seen, each: &mut Each<'_, Self>) -> Result<(), Fault> {
        self.enter()?;
        loop {
            let event = self.next()?;
            if event == Event::End {
                break;
            }
            if event == Event::Scalar(Kind::Text) && self.source.is_merge() {
                self.merge(seen, each)?;
                continue;
            }
            let key = self.key(event)?;
            self.hold()?;
            if self.source.rules() == Rules::Strict && !seen.add(&key) {
                let line = self.source.line();
                return Err(Fault::yaml(&format!("unmarshal errors:\n  line {line}: key {key:?} already set in map")));
            }
            each(self, &key, seen)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Takes the pairs of a map, or of every map in a list, for those of the map around it.
    fn merge(&mut self, seen: &mut Seen, each: &mut Each<'_, Self>) -> Result<(), Fault> {
        let unfit = || Fault::yaml("map merge requires map or sequence of maps as the value");
        match self.next()? {
            Event::Map => self.pairs(seen, each),
            Event::List => loop {
                match self.next()? {
                    Event::Map => self.pairs(seen, each)?,
                    Event::End => return Ok(()),
                    _ => return Err(unfit()),
                }
            },
            _ => Err(unfit()),
        }
    }

    fn key(&mut self, event: Event) -> Result<String, Fault> {
        Ok(match event {
            Event::Scalar(Kind::Text) => self.source.text().to_owned(),
            Event::Scalar(Kind::Bool(truth)) => truth.to_string(),
            Event::Scalar(Kind::Number) => match number::text(self.source.number()).as_str() {
                "+Inf" => ".inf".to_owned(),
                "-Inf" => "-.inf".to_owned(),
                "NaN" => ".nan".to_owned(),
                text => text.to_owned(),
            },
            Event::Scalar(Kind::Null) => return Err(Fault::Yaml("unsupported map key of type: %!s(<nil>)".to_owned())),
            Event::List | Event::Map | Event::End => return Err(Fault::yaml("invalid map key")),
        })
    }

    /// Passes over the next value.
    fn skip(&mut self) -> Result<(), Fault> {
        let mut open = 0_usize;
        loop {
            match self.next()? {
                Event::List | Event::Map => open += 1,
                Event::End => open = open.saturating_sub(1),
                Event::Scalar(_) => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// A key in the form in which JSON's field names are compared: ASCII letters and the two characters beyond it that fold to one.
fn folded(key: &str) -> String {
    key.chars()
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_folded() {
        assert_eq!(folded("APIVer\u{17f}ion"), "apiversion");
        assert_eq!(folded("\u{212a}eywords"), "keywords");
        assert_ne!(folded("ümlaut"), folded("Ümlaut"));
    }
}
