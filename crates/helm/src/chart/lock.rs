//! `Chart.lock` and `requirements.lock`: the versions that dependencies are to have.

use headwater_golang::{quote, time};
use serde_json::{Map, Value};

use super::Problem;
use super::metadata::{Dependency, value};
use crate::decode::{Decoder, Event, Kind, Place, Source as _};
use headwater_goyaml as yaml;

/// The contents of a lock file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lock {
    generated: Stamp,
    digest: String,
    /// `None` where the file has no list.
    pub(super) dependencies: Option<Vec<Option<Dependency>>>,
}

/// A moment as RFC 3339 writes it, without needless zeros, and its seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    text: String,
    seconds: i64,
}

impl Lock {
    /// Reads a lock file; `None` for an empty document.
    pub(super) fn parse(text: &[u8], limits: yaml::Limits) -> Result<Option<Self>, Problem> {
        let value = yaml::parse_typed(text, limits)?;
        if value.is_null() {
            return Ok(None);
        }
        // Go's zero time, with which a lock file without one is written again.
        let mut lock = Self { generated: Stamp { text: time::ZERO.to_owned(), seconds: 0 }, digest: String::new(), dependencies: None };
        // A moment that is none ends Go's decoding at once; of other fields it reads on and reports the first.
        lock.read(&value, &["generated"])?;
        lock.read(&value, &["digest", "dependencies"])?;
        Ok(Some(lock))
    }

    fn read(&mut self, value: &Value, fields: &[&'static str]) -> Result<(), Problem> {
        let mut decoder = Decoder::of_tree(value);
        let event = decoder.next()?;
        Ok(decoder.fields(event, "v2.Lock", &[fields], |decoder, field, event| match (field, event) {
            ("digest", event) => decoder.string(event, Place::Converted, &mut self.digest),
            ("dependencies", Event::Scalar(Kind::Null)) => {
                self.dependencies = None;
                Ok(())
            }
            ("dependencies", event) => Dependency::read_list(decoder, event, self.dependencies.get_or_insert_default()),
            (_, Event::Scalar(Kind::Null)) => Ok(()),
            (_, Event::Scalar(Kind::Text)) => {
                let text = decoder.source.text();
                let refused = || decoder.complain(&format!("parsing time {} as \"2006-01-02T15:04:05Z07:00\"", quote(text)));
                self.generated = Stamp::parse(text).ok_or_else(refused)?;
                Ok(())
            }
            _ => Err(decoder.complain("Time.UnmarshalJSON: input is not a JSON string")),
        })?)
    }

    /// The document that [`Lock::parse`] reads.
    pub(super) fn print(&self) -> Result<String, Problem> {
        let value = |dependency: &Option<Dependency>| dependency.as_ref().map_or(Value::Null, |dependency| value(dependency));
        let dependencies = self.dependencies.as_ref().map_or(Value::Null, |list| list.iter().map(value).collect());
        let mut map = Map::new();
        map.insert("generated".to_owned(), Value::from(self.generated.text.as_str()));
        map.insert("digest".to_owned(), Value::from(self.digest.as_str()));
        map.insert("dependencies".to_owned(), dependencies);
        Ok(yaml::print(&Value::Object(map))?)
    }

    /// When the file was made, in seconds since 1970; 0 where it does not say.
    pub(super) fn seconds(&self) -> i64 {
        self.generated.seconds
    }
}

impl Stamp {
    /// Reads a moment as Go's JSON decoder does.
    fn parse(text: &str) -> Option<Self> {
        let text = time::normalise(text)?;
        let (seconds, _) = time::instant(&text)?;
        Some(Self { text, seconds })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::Limits;
    use super::*;

    fn read(text: &str) -> Result<Option<Lock>, String> {
        Lock::parse(text.as_bytes(), Limits::default().yaml).map_err(|problem| problem.to_string())
    }

    #[test]
    fn lock_files_are_written_again_as_upstream_writes_them() {
        let lock = read("generated: \"2020-01-02T03:04:05.123450+00:00\"\ndependencies: [null, {name: x, version: 1}]\n").unwrap().unwrap();
        assert_eq!(
            lock.print().unwrap(),
            "dependencies:\n- null\n- name: x\n  repository: \"\"\n  version: \"1\"\ndigest: \"\"\ngenerated: \"2020-01-02T03:04:05.12345Z\"\n"
        );
        assert_eq!(lock.seconds(), 1_577_934_245);
        assert_eq!(
            read("digest: d").unwrap().unwrap().print().unwrap(),
            "dependencies: null\ndigest: d\ngenerated: \"0001-01-01T00:00:00Z\"\n"
        );
        assert_eq!(read("").unwrap(), None);
    }

    #[test]
    fn moments_are_read_as_go_reads_them() {
        for (text, written) in [("2020-01-02T3:04:05Z", "2020-01-02T03:04:05Z"), ("2020-01-02T03:04:05,5-00:00", "2020-01-02T03:04:05.5Z")]
        {
            let lock = read(&format!("generated: \"{text}\"")).unwrap().unwrap();
            assert_eq!((lock.generated.text.as_str(), lock.seconds()), (written, 1_577_934_245), "{text}");
        }
        for bad in ["2020-01-02t03:04:05Z", "2020-01-02", "2020-01-02T03:04:05", "2020-13-02T03:04:05Z", "2020-01-02T03:04:60Z"] {
            assert!(read(&format!("generated: \"{bad}\"")).unwrap_err().contains("parsing time"), "{bad}");
        }
        assert_eq!(
            read("generated: 5").unwrap_err(),
            "error unmarshaling JSON: while decoding JSON: Time.UnmarshalJSON: input is not a JSON string"
        );
        assert_eq!(
            read("digest: [a]").unwrap_err(),
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field Lock.digest of type string"
        );
    }
}
