//! OpenSSH's `known_hosts` format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg};

const DEFAULT_PORT: u16 = 22;

/// Which keys are trusted of which hosts.
#[derive(Debug, Default)]
pub(super) struct KnownHosts(Vec<Line>);

#[derive(Debug)]
struct Line {
    role: Role,
    names: Names,
    key: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The host's own key.
    Host,
    /// The key of an authority whose certificates are trusted.
    Authority,
    /// A key that must never be trusted.
    Revoked,
}

#[derive(Debug)]
enum Names {
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    Patterns(Vec<Pattern>),
}

#[derive(Debug)]
struct Pattern {
    negated: bool,
    text: String,
}

/// A public key as it is on the wire, and its type.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    kind: String,
    blob: Vec<u8>,
}

/// Whether a key is a host's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Trusted,
    /// Nothing is known of the host.
    Unknown,
    /// Other keys are known of the host: these types.
    Changed(Vec<String>),
    /// The key is marked as revoked.
    Revoked,
    /// It is a certificate that must not be trusted.
    BadCertificate(&'static str),
}

impl KnownHosts {
    /// Reads a file; an error says what is wrong with which line.
    pub(super) fn parse(file: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(file).map_err(|_| "knownhosts: not a text in UTF-8".to_owned())?;
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push(Line::parse(line).map_err(|why| format!("knownhosts: line {number}: {why}"))?);
            }
        }
        Ok(Self(lines))
    }

    /// The types of keys that are known of a host, each once.
    pub(super) fn types(&self, host: &str, port: u16) -> Vec<String> {
        self.kinds(Role::Host, host, port)
    }

    /// Whether some authority may vouch for the host.
    pub(super) fn has_authority(&self, host: &str, port: u16) -> bool {
        !self.kinds(Role::Authority, host, port).is_empty()
    }

    fn kinds(&self, role: Role, host: &str, port: u16) -> Vec<String> {
        let mut kinds: Vec<String> = self.of(role, host, port).map(|line| line.key.kind.clone()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    fn of(&self, role: Role, host: &str, port: u16) -> impl Iterator<Item = &Line> {
        let names = names_of(host, port);
        self.0.iter().filter(move |line| line.role == role && line.names.hold(&names))
    }

    fn is_revoked(&self, blob: &[u8]) -> bool {
        self.0.iter().any(|line| line.role == Role::Revoked && line.key.blob == blob)
    }

    /// Whether `blob`, a public key, is the host's.
    pub(super) fn check(&self, host: &str, port: u16, blob: &[u8]) -> Verdict {
        if self.is_revoked(blob) {
            return Verdict::Revoked;
        }
        if self.of(Role::Host, host, port).any(|line| line.key.blob == blob) {
            return Verdict::Trusted;
        }
        let known = self.types(host, port);
        if known.is_empty() { Verdict::Unknown } else { Verdict::Changed(known) }
    }

    /// Whether an authority that is trusted for the host vouches for its key.
    pub(super) fn check_certificate(&self, host: &str, port: u16, certificate: &Certificate) -> Verdict {
        use russh::keys::ssh_key::public::KeyData;
        let blob = |key: &KeyData| russh::keys::ssh_key::PublicKey::from(key.clone()).to_bytes().unwrap_or_default();
        let (authority, key) = (blob(certificate.signature_key()), blob(certificate.public_key()));
        if self.is_revoked(&authority) || self.is_revoked(&key) {
            return Verdict::Revoked;
        }
        if !self.of(Role::Authority, host, port).any(|line| line.key.blob == authority) {
            return Verdict::BadCertificate("its authority is not trusted for this host");
        }
        if certificate.cert_type() != CertType::Host {
            return Verdict::BadCertificate("it is not a host's");
        }
        if !certificate.critical_options().is_empty() {
            return Verdict::BadCertificate("it has critical options that are not known");
        }
        let principals = certificate.valid_principals();
        if !principals.is_empty() && !principals.iter().any(|name| matches(name, host)) {
            return Verdict::BadCertificate("it is for other hosts");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let fingerprint = certificate.signature_key().fingerprint(HashAlg::Sha256);
        match certificate.validate_at(now, [&fingerprint]) {
            Ok(()) => Verdict::Trusted,
            Err(_) => Verdict::BadCertificate("it is expired, not yet valid, or not signed by its authority"),
        }
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_ascii_whitespace().peekable();
        let role = match words.peek() {
            Some(&"@cert-authority") => Role::Authority,
            Some(&"@revoked") => Role::Revoked,
            Some(word) if word.starts_with('@') => return Err("unknown marker"),
            _ => Role::Host,
        };
        if role != Role::Host {
            words.next();
        }
        let names = Names::parse(words.next().ok_or("missing host pattern")?)?;
        // The type is part of the key, too, and counts there.
        words.next().ok_or("missing key type")?;
        let blob = words.next().ok_or("missing key")?;
        let blob = STANDARD.decode(blob).map_err(|_| "the key is not in base64")?;
        let kind = kind(&blob).ok_or("the key is malformed")?;
        Ok(Self { role, names, key: Key { kind, blob } })
    }
}

/// The type of a public key: the first string in it.
fn kind(blob: &[u8]) -> Option<String> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let name = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))?;
    (rest.len() > name.len()).then(|| name.to_owned())
}

impl Names {
    fn parse(word: &str) -> Result<Self, &'static str> {
        if let Some(hashed) = word.strip_prefix('|') {
            let (salt, hash) =
                hashed.strip_prefix("1|").and_then(|rest| rest.split_once('|')).ok_or("a hashed host must be '|1|<salt>|<hash>'")?;
            let decoded = |text: &str| STANDARD.decode(text).map_err(|_| "a hashed host is not in base64");
            return Ok(Self::Hashed { salt: decoded(salt)?, hash: decoded(hash)? });
        }
        let mut patterns = Vec::new();
        for part in word.split(',').filter(|part| !part.is_empty()) {
            let (negated, text) = part.strip_prefix('!').map_or((false, part), |text| (true, text));
            if text.is_empty() {
                return Err("negation without a host name after it");
            }
            patterns.push(Pattern { negated, text: text.to_ascii_lowercase() });
        }
        Ok(Self::Patterns(patterns))
    }

    /// Whether one of `names`, all of one host, is meant.
    fn hold(&self, names: &[String]) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                names.iter().any(|name| hmac::verify(&key, name.as_bytes(), hash).is_ok())
            }
            Self::Patterns(patterns) => {
                let hit = |pattern: &&Pattern| names.iter().any(|name| matches(&pattern.text, name));
                let mut hits = patterns.iter().filter(hit).peekable();
                hits.peek().is_some() && !hits.any(|pattern| pattern.negated)
            }
        }
    }
}

/// What a host is called in such a file: as OpenSSH writes it, and with its port, as Go reads it.
fn names_of(host: &str, port: u16) -> Vec<String> {
    let mut names = vec![format!("[{host}]:{port}")];
    if port == DEFAULT_PORT {
        names.push(host.to_owned());
    }
    if !host.contains(':') {
        names.push(format!("{host}:{port}"));
    }
    names
}

/// Whether `text` fits `pattern`, where `*` stands for any characters and `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut done, mut star) = (0, 0, None);
    while done < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, done));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[done] => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((star_at, held)) = star else { return false };
                star = Some((star_at, held + 1));
                at = star_at + 1;
                done = held + 1;
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests;
