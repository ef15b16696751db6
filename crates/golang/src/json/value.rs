//! Whole values.

use serde_json::Value;

use super::{number, write_string};

/// Writes a value on one line, without spaces, as `json.Marshal` does: a float that is whole has no fraction.
pub fn value(value: &Value) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(truth) => out.extend(truth.to_string().as_bytes()),
        Value::Number(whole) if !whole.is_f64() => out.extend(whole.to_string().as_bytes()),
        Value::Number(float) => out.extend(float.as_f64().and_then(number).unwrap_or_else(|| float.to_string()).as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => write_list(*b"[]", items, out, write),
        Value::Object(map) => write_list(*b"{}", map, out, |(key, value), out| {
            write_string(key, out);
            out.push(b':');
            write(value, out);
        }),
    }
}

fn write_list<T>(brackets: [u8; 2], items: impl IntoIterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    let [open, close] = brackets;
    out.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_go_does() {
        let read = serde_json::json!({
            "b": [1, -2, u64::MAX, 1.0, 1.5, 1e21, 1e-7, -0.0, true, null],
            "a": {"<\u{2028}": "&\u{2029}>"},
            "": {},
            "c": [],
        });
        let wanted =
            r#"{"":{},"a":{"\u003c\u2028":"\u0026\u2029\u003e"},"b":[1,-2,18446744073709551615,1,1.5,1e+21,1e-7,-0,true,null],"c":[]}"#;
        assert_eq!(value(&read), wanted);
    }
}
