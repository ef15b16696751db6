//! The older layout: an image under the tag `sha256-<digest>.sig`, a layer a signature.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Artifact, Error, Limits, Reasons, Trust, shown};

/// The annotations of a layer.
pub(super) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
pub(super) const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
pub(super) const CHAIN: &str = "dev.sigstore.cosign/chain";
pub(super) const LOGGED: &str = "dev.sigstore.cosign/bundle";

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A signature, and the annotations that came with it.
pub(super) struct Signed<'a> {
    pub payload: &'a [u8],
    pub signature: &'a [u8],
    pub annotations: &'a BTreeMap<String, String>,
}

/// That one of the signatures holds.
pub(super) async fn verify(artifact: Artifact<'_>, digits: &str, with: &Trust, limits: &Limits) -> Result<(), Error> {
    let tag = format!("sha256-{digits}.sig");
    let manifest = artifact.repository.manifest(&tag, limits.manifest).await.map_err(Error::Repository)?.ok_or(Error::Unsigned)?;
    let image: Image = serde_json::from_slice(&manifest).map_err(|why| Error::Manifest(shown(&why.to_string())))?;
    if image.layers.len() > limits.signatures {
        return Err(Error::TooMany(image.layers.len(), limits.signatures));
    }
    if image.layers.is_empty() {
        return Err(Error::Unsigned);
    }
    // Layers of one artifact often have one payload.
    let mut reasons = Reasons::default();
    let mut payloads: HashMap<&str, Vec<u8>> = HashMap::new();
    for layer in &image.layers {
        match verified(artifact, digits, with, limits, layer, &mut payloads).await {
            Ok(()) => return Ok(()),
            Err(why) => reasons.add(&why),
        }
    }
    Err(Error::NoSignature(reasons.0))
}

async fn verified<'a>(
    artifact: Artifact<'_>,
    digits: &str,
    with: &Trust,
    limits: &Limits,
    layer: &'a Layer,
    payloads: &mut HashMap<&'a str, Vec<u8>>,
) -> Result<(), String> {
    let text = layer.annotations.get(SIGNATURE);
    let text = text.ok_or_else(|| format!("signature layer {} is missing \"{SIGNATURE}\" annotation", layer.digest))?;
    let signature = STANDARD.decode(text).map_err(|why| format!("the signature is not base64: {why}"))?;
    let most = limits.payload;
    if layer.size > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(format!("size of layer ({}) exceeded the limit ({most})", layer.size));
    }
    if !payloads.contains_key(layer.digest.as_str()) {
        let payload = artifact.repository.blob(&layer.digest, most).await.map_err(|why| why.to_string())?;
        payloads.insert(&layer.digest, payload);
    }
    let payload = payloads.get(layer.digest.as_str()).map(Vec::as_slice).unwrap_or_default();
    let signed = Signed { payload, signature: &signature, annotations: &layer.annotations };
    match with {
        Trust::Keys(keys) => any(keys, |key| key.verify(payload, &signature))?,
        Trust::Identities { identities, root } => root.verify_logged(&signed, identities)?,
    }
    claims(payload, digits)
}

/// That one of some keys fits, or why the last does not.
pub(super) fn any<K>(keys: &[K], fits: impl Fn(&K) -> Result<(), &'static str>) -> Result<(), String> {
    let mut why = "no public keys";
    for key in keys {
        match fits(key) {
            Ok(()) => return Ok(()),
            Err(refusal) => why = refusal,
        }
    }
    Err(why.to_owned())
}

/// That a payload speaks of the artifact; see "Simple Signing" of the Atomic project.
fn claims(payload: &[u8], digits: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Payload {
        critical: Critical,
    }
    #[derive(Deserialize)]
    struct Critical {
        image: Image,
        r#type: String,
    }
    #[derive(Deserialize)]
    struct Image {
        #[serde(rename = "docker-manifest-digest")]
        digest: String,
    }
    let payload: Payload = serde_json::from_slice(payload).map_err(|why| format!("the payload is not one of cosign: {why}"))?;
    if payload.critical.r#type != "cosign container image signature" {
        return Err("the payload is not one of cosign: it is of another type".to_owned());
    }
    match payload.critical.image.digest.strip_prefix("sha256:") {
        Some(claimed) if claimed == digits => Ok(()),
        _ => Err("invalid or missing digest in claim".to_owned()),
    }
}
