//! What an ssh URL names: a user at a host, and a repository there.

use percent_encoding::percent_decode_str;
use url::Url;

use headwater_http::decode;

const DEFAULT_PORT: u16 = 22;
const DEFAULT_USER: &str = "git";

/// Where to log in, and what to run there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// In lower case; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The command line for the remote shell.
    pub(super) command: Vec<u8>,
}

impl Target {
    /// Reads `url`; `user` logs in where it names none. Refuses what a shell or an ssh server could take for something else.
    pub(super) fn of(url: &Url, user: &str) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
        let host = decode(host.trim_start_matches('[').trim_end_matches(']')).to_ascii_lowercase();
        let user =
            [decode(url.username()), user.to_owned()].into_iter().find(|user| !user.is_empty()).unwrap_or_else(|| DEFAULT_USER.to_owned());
        let mut path: Vec<u8> = percent_decode_str(url.path()).collect();
        // As Git does it: `/~user/…` is relative to a home directory.
        if path.starts_with(b"/~") {
            path.remove(0);
        }
        checked("host", host.as_bytes())?;
        checked("user", user.as_bytes())?;
        checked("path", &path)?;
        if path == b"/" {
            return Err("the URL names no repository".into());
        }
        if !host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c)) {
            return Err(format!("{host:?} is no host name"));
        }
        let mut command = b"git-upload-pack ".to_vec();
        command.extend(quoted(&path));
        Ok(Self { host, port: url.port().unwrap_or(DEFAULT_PORT), user, command })
    }

    /// Host and port, as Go prints them.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

fn checked(what: &str, text: &[u8]) -> Result<(), String> {
    match text.first() {
        None => Err(format!("the URL names no {what}")),
        Some(b'-') => Err(format!("refusing a {what} that begins with '-'")),
        Some(_) if text.iter().any(u8::is_ascii_control) => Err(format!("refusing a {what} with control characters")),
        Some(_) => Ok(()),
    }
}

/// One word for a POSIX shell, quoted as Git does it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' | b'!' => out.extend([b'\'', b'\\', byte, b'\'']),
            _ => out.push(byte),
        }
    }
    out.push(b'\'');
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(url: &str, user: &str) -> Result<Target, String> {
        Target::of(&Url::parse(url).unwrap(), user)
    }

    #[test]
    fn urls_become_commands_as_git_makes_them() {
        for (url, user, host, port, wanted, command) in [
            ("ssh://host/a/b.git", "", "host", 22, "git", "git-upload-pack '/a/b.git'"),
            ("ssh://me@HOST:2222/a", "you", "host", 2222, "me", "git-upload-pack '/a'"),
            ("ssh://host/~me/a", "you", "host", 22, "you", "git-upload-pack '~me/a'"),
            ("ssh://[::1]:23/a%20b", "", "::1", 23, "git", "git-upload-pack '/a b'"),
            ("ssh://m%40e@h/it's%21", "", "h", 22, "m@e", r"git-upload-pack '/it'\''s'\!''"),
            ("ssh://h/$(x)%60`;|&%22%5C", "", "h", 22, "git", "git-upload-pack '/$(x)``;|&\"\\'"),
        ] {
            let target = of(url, user).unwrap();
            assert_eq!((target.host.as_str(), target.port, target.user.as_str()), (host, port, wanted), "{url}");
            assert_eq!(String::from_utf8(target.command).unwrap(), command, "{url}");
        }
    }

    #[test]
    fn what_could_be_an_option_or_another_line_is_refused() {
        for url in [
            "ssh://-oProxyCommand=x/a",
            "ssh://-me@h/a",
            "ssh://h/a%0ab",
            "ssh://h/a%00",
            "ssh://m%0d@h/a",
            "ssh://h/",
            "ssh://h",
            "ssh:///a",
        ] {
            assert!(of(url, "git").is_err(), "{url}");
        }
        assert!(of("ssh://h/a", "-x").is_err());
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in ["a", "it's", "!!", "a b\t\"$x\" `y` \\ ;|&<>*?~#", "'", "''!'", "é"] {
            let line = format!("printf %s {}", String::from_utf8(quoted(word.as_bytes())).unwrap());
            let out = headwater_testing::command("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), word);
        }
    }
}
