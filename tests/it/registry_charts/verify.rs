//! Signatures of charts, made as cosign makes them.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use headwater_testing::{
    charts::chart,
    registry::{self, Options, Registry},
};
use serde_json::json;

use super::{archive, charts, in_clear, podinfo, repositories, with};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::{condition, message, status_is},
    world::World,
};

const REPOSITORY: &str = "charts/podinfo";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A key to sign with.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    /// The public key in PEM.
    fn public(&self) -> String {
        let der = self.0.public_key().as_der().unwrap();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()))
    }

    /// Signs the manifest `signed`, and puts that where the signatures of `manifest` are.
    async fn sign(&self, registry: &Registry, manifest: &str, signed: &str) {
        let image = json!({"docker-manifest-digest": signed});
        let critical = json!({"identity": {"docker-reference": ""}, "image": image, "type": "cosign container image signature"});
        let payload = json!({"critical": critical, "optional": null}).to_string().into_bytes();
        let signature = STANDARD.encode(self.0.sign(&SystemRandom::new(), &payload).unwrap());
        let layer = json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": registry.push_blob(REPOSITORY, &payload).await,
            "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature},
        });
        let config = b"{}";
        let config = json!({
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.push_blob(REPOSITORY, config).await,
            "size": config.len(),
        });
        let image = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let tag = format!("{}.sig", manifest.replace(':', "-"));
        registry.push_manifest(REPOSITORY, &tag, MANIFEST, image.to_string().as_bytes()).await;
    }
}

on_each_server!(only_charts_that_a_trusted_key_signed_are_taken);
async fn only_charts_that_a_trusted_key_signed_are_taken(server: &Server) {
    let Some(registry) = registry::start(Options::default()) else { return };
    let (ours, other) = (Signer::new(), Signer::new());
    for (version, signer) in [("1.0.0", Some(&ours)), ("2.0.0", Some(&other)), ("3.0.0", None), ("4.0.0", None)] {
        let digest = registry.push_chart("charts", "podinfo", version, &archive(version)).await;
        if let Some(signer) = signer {
            signer.sign(&registry, &digest, &digest).await;
        } else if version == "4.0.0" {
            // A good signature, of something else.
            ours.sign(&registry, &digest, &format!("sha256:{}", "0".repeat(64))).await;
        }
    }
    let world = World::new(server, "oci-verify").await;
    repositories(&world).source("h", in_clear(&registry.address, "charts")).await;
    world.space.secret("keys", &[("ours.pub", &ours.public()), ("README", "no key")]).await;
    world.space.secret("none", &[("README", "no key")]).await;
    let verified = |version: &str, secret: &str| with(podinfo("h", version), &json!({"verify": {"secretRef": {"name": secret}}}));
    for (name, version, secret) in
        [("good", "1.0.0", "keys"), ("other", "2.0.0", "keys"), ("unsigned", "3.0.0", "keys"), ("moved", "4.0.0", "keys")]
    {
        charts(&world).source(name, verified(version, secret)).await;
    }
    charts(&world).source("keyless", with(podinfo("h", "1.0.0"), &json!({"verify": {"provider": "cosign"}}))).await;
    charts(&world).source("no-keys", verified("1.0.0", "none")).await;
    charts(&world).source("no-secret", verified("1.0.0", "gone")).await;
    let notation = json!({"verify": {"provider": "notation", "secretRef": {"name": "keys"}}});
    charts(&world).source("notation", with(podinfo("h", "1.0.0"), &notation)).await;

    let good = charts(&world).ready_at("good", "1.0.0").await;
    assert!(status_is(&good, "SourceVerified", "True"), "{}", good["status"]);
    assert_eq!(message(&good, "SourceVerified"), "verified signature of version 1.0.0");
    assert_eq!(download(&good).await.unwrap(), archive("1.0.0"));
    for (name, why) in
        [("other", "no matching signatures"), ("unsigned", "no signatures found"), ("moved", "no matching signatures"), ("keyless", "")]
    {
        let object = charts(&world).failed(name, "VerificationError").await;
        assert_eq!(condition(&object, "BuildFailed").unwrap()["reason"], "ChartVerificationError", "{name}");
        assert!(status_is(&object, "SourceVerified", "False") && object["status"]["artifact"].is_null(), "{}", object["status"]);
        let text = message(&object, "Ready");
        let start = format!("chart verification error: failed to verify oci://{}/{REPOSITORY}:", registry.address);
        assert!(text.starts_with(&start) && text.contains(why), "{name}: {text}");
    }
    for (name, why) in [("no-keys", "no public keys found in secret"), ("no-secret", "\"gone\" not found")] {
        let text = message(&charts(&world).failed(name, "VerificationError").await, "SourceVerified").to_owned();
        assert!(text.starts_with("failed to verify the signature using provider 'cosign': ") && text.contains(why), "{text}");
    }
    let object = charts(&world).wait("notation", "to be stalled", |object| status_is(object, "Stalled", "True")).await;
    assert!(message(&object, "Stalled").starts_with("failed to verify the signature using provider 'notation': "), "{}", object["status"]);
    // Without the wish, it is a chart like others.
    charts(&world).patch("unsigned", &json!({"spec": {"verify": null}})).await;
    let object = charts(&world).ready_at("unsigned", "3.0.0").await;
    assert!(condition(&object, "SourceVerified").is_none(), "{}", object["status"]);
}

on_each_server!(what_was_stored_before_it_was_to_be_verified_is_pulled_anew);
async fn what_was_stored_before_it_was_to_be_verified_is_pulled_anew(server: &Server) {
    let Some(registry) = registry::start(Options::default()) else { return };
    let ours = Signer::new();
    let world = World::new(server, "oci-verify-later").await;
    registry.push_chart("charts", "podinfo", "1.0.0", &archive("1.0.0")).await;
    repositories(&world).source("h", in_clear(&registry.address, "charts")).await;
    charts(&world).source("c", podinfo("h", "1.0.0")).await;
    let before = charts(&world).ready_at("c", "1.0.0").await;
    assert_eq!(download(&before).await.unwrap(), archive("1.0.0"));

    let signed = chart("podinfo", "1.0.0", &[("values.yaml", "signed: true\n")]);
    let digest = registry.push_chart("charts", "podinfo", "1.0.0", &signed).await;
    ours.sign(&registry, &digest, &digest).await;
    world.space.secret("keys", &[("ours.pub", &ours.public())]).await;
    charts(&world).patch("c", &json!({"spec": {"verify": {"provider": "cosign", "secretRef": {"name": "keys"}}}})).await;
    let after = charts(&world).wait("c", "to be verified", |object| status_is(object, "SourceVerified", "True")).await;
    assert_eq!(download(&after).await.unwrap(), signed, "what is verified is what is served");
    // And then it rests.
    let again = charts(&world).poke("c").await;
    assert_eq!(again["status"]["artifact"], after["status"]["artifact"]);
}
