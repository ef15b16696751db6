//! Bundles that refer to an artifact: statements of in-toto in an envelope (DSSE), signed with a key or a certificate.

use std::collections::BTreeMap;

use serde::Deserialize;
use sigstore_verify::types::{Bundle, DsseEnvelope, SignatureContent};

use super::legacy::any;
use super::{Artifact, Error, Limits, Reasons, Trust};

/// What the media types of all versions of bundles begin with.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const MISMATCH: &str =
    "failed to verify signature: could not verify envelope: accepted signatures do not match threshold, Found: 0, Expected 1";
const STATEMENT: &str = "https://in-toto.io/Statement/";

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

/// Whether one of the bundles holds.
pub(super) async fn verify(
    artifact: Artifact<'_>,
    digits: &str,
    with: &Trust,
    limits: &Limits,
    reasons: &mut Reasons,
) -> Result<bool, Error> {
    let referrers = artifact.repository.referrers(artifact.digest, limits.signatures).await.map_err(Error::Repository)?;
    for digest in referrers.iter().take(limits.signatures) {
        let bundle = match read(artifact, digest, limits).await {
            Ok(Some(bundle)) => bundle,
            // Other things may refer to an artifact, too.
            Ok(None) => continue,
            Err(why) => {
                reasons.add(&why);
                continue;
            }
        };
        match verified(&bundle, digits, with) {
            Ok(()) => return Ok(true),
            Err(why) => reasons.add(&why),
        }
    }
    Ok(false)
}

/// The bundle that a referrer is, if it is one.
async fn read(artifact: Artifact<'_>, digest: &str, limits: &Limits) -> Result<Option<Bundle>, String> {
    let told = |why: &dyn std::fmt::Display| format!("failed to read bundle {digest}: {why}");
    let manifest = artifact.repository.manifest(digest, limits.manifest).await.map_err(|why| told(&why))?;
    let Some(Ok(Image { layers })) = manifest.map(|manifest| serde_json::from_slice(&manifest)) else { return Ok(None) };
    let [layer] = layers.as_slice() else { return Ok(None) };
    if !layer.media_type.starts_with(MEDIA_TYPE) {
        return Ok(None);
    }
    let text = artifact.repository.blob(&layer.digest, limits.bundle).await.map_err(|why| told(&why))?;
    let text = String::from_utf8(text).map_err(|why| told(&why))?;
    Bundle::from_json(&text).map(Some).map_err(|why| told(&why))
}

fn verified(bundle: &Bundle, digits: &str, with: &Trust) -> Result<(), String> {
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return Err("bundle does not contain a DSSE envelope".to_owned());
    };
    match with {
        Trust::Keys(keys) => {
            let signed = envelope.pae();
            any(keys, |key| key.verify(&signed, envelope.signature.sig.as_bytes())).map_err(|_| MISMATCH.to_owned())?;
        }
        Trust::Identities { identities, root } => root.verify_bundle(bundle, digits, identities)?,
    }
    speaks_of(envelope, digits)
}

/// That a statement has the artifact among its subjects; see the "in-toto Attestation Framework".
fn speaks_of(envelope: &DsseEnvelope, digits: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Statement {
        #[serde(rename = "_type")]
        kind: String,
        #[serde(default)]
        subject: Vec<Subject>,
    }
    #[derive(Deserialize)]
    struct Subject {
        #[serde(default)]
        digest: BTreeMap<String, String>,
    }
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(format!("invalid payloadType on envelope. Expected {PAYLOAD_TYPE}"));
    }
    let statement: Statement =
        serde_json::from_slice(envelope.payload.as_bytes()).map_err(|why| format!("failed to parse in-toto statement: {why}"))?;
    let found = statement.subject.iter().any(|subject| subject.digest.get("sha256").is_some_and(|claimed| claimed == digits));
    if statement.kind.starts_with(STATEMENT) && found {
        return Ok(());
    }
    Err("failed to verify signature: provided artifact digest does not match any digest in statement".to_owned())
}
