//! What Git has in place of a file: a few lines that name an object by its digest.

/// The versions of the format, which differ in name only; the first is the specification's, the others are from before it.
const VERSIONS: [&str; 3] =
    ["version https://git-lfs.github.com/spec/v1", "version http://git-media.io/v/2", "version https://hawser.github.com/spec/v1"];

/// A pointer to an object of Git LFS (specification v1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// The SHA-256 of the object: 64 lower-case hexadecimal digits.
    pub(crate) oid: String,
    /// How many bytes the object has.
    pub(crate) size: u64,
    extensions: usize,
}

impl Pointer {
    /// The most bytes of a pointer.
    pub(crate) const MAX: u64 = 1024;

    /// Reads a pointer; nothing if `text` is none. As Git LFS does, takes CR LF for the end of a line, and blanks around the whole.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() as u64 > Self::MAX {
            return None;
        }
        let mut lines = std::str::from_utf8(text).ok()?.trim().lines();
        let version = lines.next()?;
        if !VERSIONS.contains(&version) {
            return None;
        }
        let mut lines = lines.peekable();
        let mut extensions = 0;
        while lines.next_if(|line| is_extension(line)).is_some() {
            extensions += 1;
        }
        let oid = lines.next()?.strip_prefix("oid sha256:")?;
        let size = lines.next()?.strip_prefix("size ")?;
        let hex = oid.len() == 64 && oid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let decimal = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
        if !hex || !decimal || lines.next().is_some() {
            return None;
        }
        // What needs more than 63 bits is no size for Git LFS either.
        let size = size.parse::<i64>().ok()?.try_into().ok()?;
        Some(Self { oid: oid.to_owned(), size, extensions })
    }

    /// Whether the object is not the file itself, but what programs named in the pointer made of it.
    pub(super) fn is_extended(&self) -> bool {
        self.extensions > 0
    }
}

/// Whether that is `ext-<digit>-<name> sha256:<digest>`.
fn is_extension(line: &str) -> bool {
    let name = line.strip_prefix("ext-").and_then(|rest| rest.split_once(' ')).map(|(name, _)| name.as_bytes());
    matches!(name, Some([b'0'..=b'9', b'-', _, ..]))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn pointers_are_told_from_other_files() {
        let good = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 12345\n");
        let pointer = Pointer::parse(good.as_bytes()).unwrap();
        assert_eq!((pointer.oid.as_str(), pointer.size, pointer.is_extended()), (OID, 12345, false));
        for same in [good.replace('\n', "\r\n"), good.trim_end().into(), good.replace("git-lfs", "hawser")] {
            assert_eq!(Pointer::parse(same.as_bytes()), Some(pointer.clone()), "{same:?}");
        }
        let extended = good.replace("oid", &format!("ext-0-foo sha256:{OID}\noid"));
        assert!(Pointer::parse(extended.as_bytes()).unwrap().is_extended());

        for bad in [
            String::new(),
            good.replace("spec/v1", "spec/v2"),
            good.replace("sha256:4d", "sha256:4D"),
            good.replace("sha256:4d", "sha256:4"),
            good.replace("sha256:", "sha1:"),
            good.replace("12345", "-1"),
            good.replace("12345", "+1"),
            good.replace("12345", ""),
            good.replace("12345", "18446744073709551616"),
            good.replace("12345", "9223372036854775808"),
            format!("{good}x y\n"),
            format!("size 1\n{good}"),
            good.replace("oid", "ext-x sha256:1\noid"),
            good.replace("oid sha256", "x 1\noid sha256"),
            format!("{good}{}", " ".repeat(1024)),
            "version https://git-lfs.github.com/spec/v1\n".into(),
        ] {
            assert_eq!(Pointer::parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(Pointer::parse(b"version https://git-lfs.github.com/spec/v1\n\xff"), None);
    }
}
