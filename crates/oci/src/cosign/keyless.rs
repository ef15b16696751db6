//! Signatures by certificates that were good for minutes: who is in the certificate, who issued it, and what a log knew of it at the time.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_golang::regexp::{self, Regexp};
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Artifact as Content, Bundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};

use super::key::blocks;
use super::legacy::{CERTIFICATE, CHAIN, LOGGED, Signed};

/// Of a chain, so many certificates are read.
const LONGEST_CHAIN: usize = 8;

/// A compiled pattern may be this large, in bytes.
const LARGEST_PATTERN: usize = 1 << 20;

/// Who signs: patterns that are searched in the issuer and in the subject of a certificate.
#[derive(Debug, Clone)]
pub struct Identity {
    issuer: Regexp,
    subject: Regexp,
}

/// A pattern is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {part} in identity: {pattern} : {why}")]
pub struct InvalidPattern {
    part: &'static str,
    pattern: String,
    why: String,
}

impl Identity {
    /// An identity by regular expressions as Go's `regexp` (RE2) reads them. They match anywhere, unless `^` and `$` say otherwise.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, InvalidPattern> {
        let pattern = |part, pattern: &str| {
            let invalid = |why: regexp::Error| InvalidPattern { part, pattern: pattern.to_owned(), why: why.to_string() };
            Regexp::new(pattern, LARGEST_PATTERN).map_err(invalid)
        };
        Ok(Self { issuer: pattern("issuer", issuer)?, subject: pattern("subject", subject)? })
    }
}

/// Whom to trust about certificates, logs and times.
#[derive(Clone)]
pub struct Root(Arc<Verifier>);

/// A text is no root of trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse trusted root: {0}")]
pub struct InvalidRoot(String);

impl Root {
    /// The public instance of Sigstore, as it was when this program was built. It is not fetched, nor renewed.
    pub fn public() -> Result<Self, InvalidRoot> {
        Self::from_json(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes())
    }

    /// What a `trusted_root.json` describes (`application/vnd.dev.sigstore.trustedroot+json`).
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidRoot> {
        let text = std::str::from_utf8(text).map_err(|why| InvalidRoot(why.to_string()))?;
        let root = TrustedRoot::from_json(text).map_err(|why| InvalidRoot(why.to_string()))?;
        if root.tlogs.is_empty() {
            return Err(InvalidRoot("no transparency log entries found in trusted root".to_owned()));
        }
        if root.certificate_authorities.is_empty() {
            return Err(InvalidRoot("no certificate authorities found in trusted root".to_owned()));
        }
        Verifier::new(&root).map(|verifier| Self(Arc::new(verifier))).map_err(|why| InvalidRoot(why.to_string()))
    }

    /// That a bundle is signed by one of some identities, over the digest of an artifact.
    pub(super) fn verify_bundle(&self, bundle: &Bundle, digits: &str, identities: &[Identity]) -> Result<(), String> {
        if identities.is_empty() {
            return Err("failed to build policy: can't verify identities without providing at least one identity".to_owned());
        }
        let digest = Sha256Hash::from_hex(digits).map_err(|why| why.to_string())?;
        let signer = self.signer(digest, bundle)?;
        let mut last = String::new();
        for identity in identities {
            match identity.refusal(&signer) {
                None => return Ok(()),
                Some(why) => last = why,
            }
        }
        Err(format!("failed to verify certificate identity: no matching CertificateIdentity found, last error: {last}"))
    }

    /// That a payload of the older layout is signed by one of some identities, or by any where there is none. Its annotations are put
    /// into the form of a bundle.
    pub(super) fn verify_logged(&self, signed: &Signed<'_>, identities: &[Identity]) -> Result<(), String> {
        let whom = self.signer(signed.payload, &converted(signed)?)?;
        if identities.is_empty() || identities.iter().any(|identity| identity.refusal(&whom).is_none()) {
            return Ok(());
        }
        let (issuer, subject) = (whom.issuer, whom.subject.unwrap_or_default());
        Err(format!("none of the expected identities matched what was in the certificate, got subjects [{subject}] with issuer {issuer}"))
    }

    /// Who signed, if all but that holds: the signature, the certificate and its own proof of publication, and the log's entry.
    fn signer<'a>(&self, content: impl Into<Content<'a>>, bundle: &Bundle) -> Result<Signer, String> {
        let result = self.0.verify(content, bundle, &VerificationPolicy::any_identity()).map_err(|why| why.to_string())?;
        if !(result.certificate_verified() && result.sct_verified() && result.tlog_verified()) {
            return Err("the certificate or its log entry is not verified".to_owned());
        }
        let subject = result.identity().map(|identity| identity.as_str().to_owned());
        Ok(Signer { issuer: result.issuer().unwrap_or_default().to_owned(), subject })
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root")
    }
}

/// Who a certificate says that it is of, and who said so first.
struct Signer {
    issuer: String,
    /// A mail address or a URI. Certificates with another kind of name are nobody's.
    subject: Option<String>,
}

impl Identity {
    /// Why a signer is not this one.
    fn refusal(&self, signer: &Signer) -> Option<String> {
        let expected = |part: &str, pattern: &Regexp, value: &str| {
            Some(format!("expected {part} value to match regex \"{}\", got \"{value}\"", pattern.as_str()))
        };
        match &signer.subject {
            Some(subject) if !self.subject.is_match(subject) => expected("SAN", &self.subject, subject),
            None => expected("SAN", &self.subject, ""),
            Some(_) if !self.issuer.is_match(&signer.issuer) => expected("issuer", &self.issuer, &signer.issuer),
            Some(_) => None,
        }
    }
}

/// The annotations as a bundle of version 0.1, which has the same parts: the signature, the certificates and the promise of a log.
fn converted(signed: &Signed<'_>) -> Result<Bundle, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Logged {
        signed_entry_timestamp: String,
        payload: Entry,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        body: String,
        integrated_time: i64,
        log_index: i64,
        #[serde(rename = "logID")]
        log_id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        kind: String,
        api_version: String,
    }
    let annotation = |name: &str| signed.annotations.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let certificate = annotation(CERTIFICATE).ok_or("no certificate found on signature")?;
    let logged = annotation(LOGGED).ok_or("no transparency log entry found on signature")?;

    let invalid = "the certificates of the signature are not in PEM";
    let mut certificates = blocks(certificate, "CERTIFICATE", 1).filter(|found| !found.is_empty()).ok_or(invalid)?;
    certificates.extend(blocks(annotation(CHAIN).unwrap_or_default(), "CERTIFICATE", LONGEST_CHAIN).ok_or(invalid)?);
    let certificates: Vec<_> = certificates.iter().map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect();

    let told = |why: &dyn fmt::Display| format!("unmarshaling bundle: {why}");
    let Logged { signed_entry_timestamp, payload } = serde_json::from_str(logged).map_err(|why| told(&why))?;
    let body = STANDARD.decode(&payload.body).map_err(|why| told(&why))?;
    let Body { kind, api_version } = serde_json::from_slice(&body).map_err(|why| told(&why))?;
    let log_id = Sha256Hash::from_hex(&payload.log_id).map_err(|why| told(&why))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, signed.payload);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": { "certificates": certificates },
            "tlogEntries": [{
                "logIndex": payload.log_index.to_string(),
                "logId": { "keyId": STANDARD.encode(log_id.as_bytes()) },
                "kindVersion": { "kind": kind, "version": api_version },
                "integratedTime": payload.integrated_time.to_string(),
                "inclusionPromise": { "signedEntryTimestamp": signed_entry_timestamp },
                "canonicalizedBody": payload.body,
            }],
        },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(digest) },
            "signature": STANDARD.encode(signed.signature),
        },
    });
    Bundle::from_json(&bundle.to_string()).map_err(|why| told(&why))
}
