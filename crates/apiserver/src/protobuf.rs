//! Reading built-in kinds that a client sends as `application/vnd.kubernetes.protobuf`.
//!
//! Such a body is the four bytes `k8s\0` and an envelope, which says what the object is and holds it. Tables say what the
//! fields of each kind are; fields they do not know are skipped, as every reader of protobuf does. A message is never inside one
//! of its own kind, thus no body makes the reader go deeper than the tables do.

mod tables;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use self::tables::{
    Fields,
    Form::{self, Bool, Bytes, Int32, Int64, Json, List, Message, MicroTime, NonEmpty, Text, Time},
    TIMESTAMP, TYPE_META,
};

/// What every body begins with.
const PREFIX: &[u8] = b"k8s\0";

/// The first second of year 1, which is how a time that was never set is written.
const NEVER: i64 = -62_135_596_800;

/// The last second of year 9999, after which no time can be written.
const LAST: i64 = 253_402_300_799;

/// Why a body could not be read. No error quotes values of the body, but for the name and the version of an unknown kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// 400: the body is something else than protobuf.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// 400: there is nothing after the prefix.
    #[error("empty body")]
    Empty,
    /// 400: the body ends in the middle of a field.
    #[error("unexpected EOF")]
    Truncated,
    /// 400: a number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// 400: a field without a number, or written in a way that protobuf does not have, or no longer.
    #[error("proto: illegal tag")]
    Tag,
    /// 400: a known field is not of its type.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// How the field is written.
        wire: u64,
        /// The name of the field in JSON.
        field: &'static str,
    },
    /// 400: a known field is of its type, but its value is not one: no UTF-8, no time, no JSON, or out of range.
    #[error("proto: invalid value for field {field}")]
    Value {
        /// The name of the field in JSON.
        field: &'static str,
    },
    /// 415: a kind that can only be read as JSON.
    #[error("{kind:?} in version {api_version:?} cannot be read as protobuf")]
    Kind {
        /// The version of the object, with its group.
        api_version: String,
        /// The kind of the object.
        kind: String,
    },
}

/// Reads `body` as the JSON that a client of JSON would have sent for the same object; times that were never set are left out
/// where some clients write null.
///
/// The size of the body is the caller's to bound. What is read takes up to some dozens of times as much memory.
pub fn decode(body: &[u8]) -> Result<Value, DecodeError> {
    let envelope = body.strip_prefix(PREFIX).ok_or(DecodeError::Prefix)?;
    if envelope.is_empty() {
        return Err(DecodeError::Empty);
    }
    let (mut object, mut raw) = (Map::new(), [].as_slice());
    for record in Records(envelope) {
        match record? {
            (1, Wire::Bytes(type_meta)) => read(type_meta, TYPE_META, &mut object)?,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let fields =
        tables::of(api_version, kind).ok_or_else(|| DecodeError::Kind { api_version: api_version.to_owned(), kind: kind.to_owned() })?;
    read(raw, fields, &mut object)?;
    Ok(object.into())
}

/// Reads the message in `bytes` into `object`. Of a field that is there twice the last counts, but messages, lists and maps grow.
fn read(bytes: &[u8], fields: &Fields, object: &mut Map<String, Value>) -> Result<(), DecodeError> {
    for record in Records(bytes) {
        let (number, wire) = record?;
        if let Some((_, name, form)) = fields.iter().find(|field| field.0 == number) {
            let slot = object.entry(*name).or_insert(Value::Null);
            *slot = value(name, *form, wire, slot.take())?;
        }
    }
    object.retain(|_, value| !value.is_null());
    Ok(())
}

/// What `wire` is in JSON, null for what is left out. `before` is what was read of the same field before.
fn value(field: &'static str, form: Form, wire: Wire<'_>, before: Value) -> Result<Value, DecodeError> {
    let invalid = || DecodeError::Value { field };
    Ok(match (form, wire) {
        (NonEmpty(form), wire) => Some(value(field, *form, wire, before)?).filter(|it| *it != "" && *it != 0).into(),
        (List(form), wire) => {
            let mut list = if let Value::Array(list) = before { list } else { Vec::new() };
            list.push(value(field, *form, wire, Value::Null)?);
            list.into()
        }
        (Bool, Wire::Varint(number)) => (number != 0).into(),
        (Int32, Wire::Varint(number)) => i32::try_from(number.cast_signed()).map_err(|_| invalid())?.into(),
        (Int64, Wire::Varint(number)) => number.cast_signed().into(),
        (Text, Wire::Bytes(bytes)) => str::from_utf8(bytes).map_err(|_| invalid())?.into(),
        (Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Time, Wire::Bytes(bytes)) => time(bytes, SecondsFormat::Secs)?.ok_or_else(invalid)?,
        (MicroTime, Wire::Bytes(bytes)) => time(bytes, SecondsFormat::Micros)?.ok_or_else(invalid)?,
        (Json, Wire::Bytes(bytes)) => {
            let mut json = Value::Null;
            for record in Records(bytes) {
                if let (1, Wire::Bytes(raw @ [_, ..])) = record? {
                    json = serde_json::from_slice(raw).map_err(|_| invalid())?;
                }
            }
            json
        }
        (Message(fields), Wire::Bytes(bytes)) => {
            let mut object = if let Value::Object(object) = before { object } else { Map::new() };
            read(bytes, fields, &mut object)?;
            object.into()
        }
        (Form::Map(form), Wire::Bytes(bytes)) => {
            let mut map = if let Value::Object(map) = before { map } else { Map::new() };
            let mut entry = Map::new();
            read(bytes, &[(1, "key", Text), (2, "value", *form)], &mut entry)?;
            let key = if let Some(Value::String(key)) = entry.remove("key") { key } else { String::new() };
            map.insert(key, entry.remove("value").unwrap_or_else(|| "".into()));
            map.into()
        }
        (_, wire) => return Err(DecodeError::WireType { wire: wire.number(), field }),
    })
}

/// The time in a message of seconds and nanoseconds: null if it was never set, `None` if there is no such time.
fn time(bytes: &[u8], precision: SecondsFormat) -> Result<Option<Value>, DecodeError> {
    let mut stamp = Map::new();
    read(bytes, TIMESTAMP, &mut stamp)?;
    let part = |name| stamp.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (seconds, nanos) = (part("seconds"), if precision == SecondsFormat::Secs { 0 } else { part("nanos") });
    if bytes.is_empty() || (seconds, nanos) == (NEVER, 0) {
        return Ok(Some(Value::Null));
    }
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let time = nanos.filter(|_| (NEVER..=LAST).contains(&seconds)).and_then(|nanos| DateTime::<Utc>::from_timestamp(seconds, nanos));
    Ok(time.map(|time| time.to_rfc3339_opts(precision, true).into()))
}

/// What a field of a message is written as.
enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which no field of the tables is: only its number is kept.
    Fixed(u64),
}

impl Wire<'_> {
    fn number(&self) -> u64 {
        match self {
            Self::Varint(_) => 0,
            Self::Bytes(_) => 2,
            Self::Fixed(number) => *number,
        }
    }
}

/// The fields in the bytes of a message with their numbers, in their order there.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn record(&mut self) -> Result<(u64, Wire<'a>), DecodeError> {
        let key = self.varint()?;
        let number = Some(key >> 3).filter(|number| *number != 0).ok_or(DecodeError::Tag)?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Fixed(1))?,
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Fixed(5))?,
            _ => return Err(DecodeError::Tag),
        };
        Ok((number, wire))
    }

    /// A number in groups of seven bits, the lowest first; all but the last have the top bit of their byte set.
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Overflow)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let taken = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (taken, rest) = taken.ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(u64, Wire<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.record())
    }
}

#[cfg(test)]
mod tests;
