#![expect(clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::Registrar;
use crate::tests::{Context, Seen, Server, Worker, answer, token_file};

const URL: &str = "oci://europe-west1-docker.pkg.dev/project/charts";
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const MAIL: &str = "puller@project.iam.gserviceaccount.com";

/// All of Google that is asked.
fn google(seen: &Seen) -> axum::http::Response<axum::body::Body> {
    let token = |token: &str| answer(200, json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }).to_string());
    if seen.line.starts_with("GET /computeMetadata/v1/") {
        if seen.header("metadata-flavor") != "Google" {
            return answer(403, "");
        }
        return match seen.line.strip_prefix("GET /computeMetadata/v1/").unwrap() {
            "project/project-id" => answer(200, "project"),
            "instance/attributes/cluster-location" => answer(200, "europe-west1"),
            "instance/attributes/cluster-name" => answer(200, "cluster"),
            path if path.starts_with("instance/service-accounts/default/token?scopes=https") => token("machine"),
            _ => answer(404, ""),
        };
    }
    match seen.line.as_str() {
        "POST /v1/token" => token("federated"),
        "POST /token" => token("key"),
        line if line.ends_with(":generateAccessToken") && seen.header("authorization") == "Bearer federated" => {
            let end = (Utc::now() + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
            answer(200, json!({ "accessToken": "impersonated", "expireTime": end }).to_string())
        }
        "GET /subject" if seen.header("x-proof") == "yes" => answer(200, json!({ "value": "subject-token" }).to_string()),
        _ => answer(400, "no subject-token for account-token"),
    }
}

fn context(server: &Server, more: &[(&str, &str)]) -> Context {
    let host = server.base.strip_prefix("http://").unwrap();
    let mut variables = vec![
        ("GCE_METADATA_HOST", host),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", server.base.as_str()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", server.base.as_str()),
    ];
    variables.extend_from_slice(more);
    Context::new(URL, &variables)
}

fn password(issued: &Issued) -> &str {
    match issued.credentials.as_basic() {
        Some(basic) if basic.user.expose_secret() == USER => basic.password.expose_secret(),
        _ => "",
    }
}

#[tokio::test]
async fn only_registries_of_google_are_shown_a_token() {
    for host in ["gcr.io", "eu.gcr.io", "europe-docker.pkg.dev", "docker.s3nsregistry.fr"] {
        let server = Server::start(google).await;
        let mut context = context(&server, &[]);
        context.url = url::Url::parse(&format!("oci://{host}/x")).unwrap();
        assert_eq!(password(&context.registry(Registrar::Gcp).await.unwrap()), "machine");
    }
    for host in ["gcr.io.example.org", "xgcr.io", "docker.pkg.dev", "gcr.io:443", "a.docker.s3nsregistry.fr"] {
        let refusal = Context::new(&format!("oci://{host}/x"), &[]).registry(Registrar::Gcp).await.unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!(
                "invalid GCP registry: '{host}'. must match ^(((.+\\.)?gcr\\.io)|(.+-docker\\.pkg\\.dev)|(docker\\.s3nsregistry\\.fr))$"
            )
        );
    }
}

#[tokio::test]
async fn the_machine_has_a_token_and_it_is_kept() {
    let server = Server::start(google).await;
    let context = context(&server, &[]);
    let credentials = context.registry(Registrar::Gcp).await.unwrap();
    context.registry(Registrar::Gcp).await.unwrap();
    assert_eq!(password(&credentials), "machine");
    assert!((credentials.expires - Utc::now()).num_minutes() >= 59);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_key_signs_a_claim_that_buys_a_token() {
    let server = Server::start(google).await;
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    let key = json!({
        "type": "service_account", "client_email": MAIL, "private_key_id": "k1", "private_key": pem,
        "token_uri": format!("{}/token", server.base),
    });
    let file = token_file(&key.to_string());
    let context = context(&server, &[(FILE, file.path().to_str().unwrap())]);
    assert_eq!(password(&context.registry(Registrar::Gcp).await.unwrap()), "key");
    let fields = server.only().fields();
    assert_eq!(fields["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let part = |index: usize| -> Value {
        let part = fields["assertion"].split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
    assert_eq!(part(1)["iss"], MAIL);
    assert_eq!(part(1)["aud"], key["token_uri"]);
    assert_eq!(part(1)["scope"], SCOPES.join(" "));
}

#[tokio::test]
async fn a_federation_exchanges_the_token_of_a_file_or_a_url() {
    let server = Server::start(google).await;
    let subject = token_file("subject-token\n");
    let federation = |source: Value, impersonation: &str| {
        let json = json!({
            "type": "external_account", "audience": "//iam.googleapis.com/p", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", server.base), "credential_source": source,
            "service_account_impersonation_url": impersonation, "service_account_impersonation": { "token_lifetime_seconds": 600 },
        });
        token_file(&json.to_string())
    };
    let file = federation(json!({ "file": subject.path() }), "");
    let direct = context(&server, &[(FILE, file.path().to_str().unwrap())]).registry(Registrar::Gcp).await.unwrap();
    assert_eq!(password(&direct), "federated");
    let fields = server.seen()[0].fields();
    assert_eq!((fields["subject_token"].as_str(), fields["audience"].as_str()), ("subject-token", "//iam.googleapis.com/p"));
    assert_eq!(fields["scope"], SCOPES.join(" "));

    let source = json!({
        "url": format!("{}/subject", server.base), "headers": { "X-Proof": "yes" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    let file = federation(source, &format!("{}/v1/projects/-/serviceAccounts/{MAIL}:generateAccessToken", server.base));
    let acting = context(&server, &[(FILE, file.path().to_str().unwrap())]).registry(Registrar::Gcp).await.unwrap();
    assert_eq!(password(&acting), "impersonated");
    let seen = server.seen();
    assert_eq!((seen[1].line.as_str(), seen[2].fields()["scope"].as_str()), ("GET /subject", CLOUD));
    assert!(seen[3].body.contains("\"600s\""));
}

#[tokio::test]
async fn an_account_is_known_by_its_cluster_or_its_provider() {
    let server = Server::start(google).await;
    let context = context(&server, &[]);
    let worker = Worker::with(&[(EMAIL, MAIL)]);
    assert_eq!(password(&context.registry_of(Registrar::Gcp, &worker).await.unwrap()), "impersonated");
    assert_eq!(*worker.audiences.lock().unwrap(), ["project.svc.id.goog"]);
    let exchange = server.seen().into_iter().find(|seen| seen.line == "POST /v1/token").unwrap().fields();
    assert_eq!(
        exchange["audience"],
        "identitynamespace:project.svc.id.goog:https://container.googleapis.com/v1/projects/project/locations/europe-west1/clusters/cluster"
    );
    assert_eq!(exchange["subject_token"], "account-token");

    let provider = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
    let worker = Worker::with(&[(PROVIDER, provider)]);
    assert_eq!(password(&context.registry_of(Registrar::Gcp, &worker).await.unwrap()), "federated");
    assert_eq!(*worker.audiences.lock().unwrap(), [format!("//iam.googleapis.com/{provider}")]);
}

#[tokio::test]
async fn what_is_amiss_is_told_without_secrets() {
    let prefix = "failed to get access token for artifact registry: ";
    let server = Server::start(google).await;
    let bad = Worker::with(&[(EMAIL, "me@example.org")]);
    assert_eq!(
        context(&server, &[]).registry_of(Registrar::Gcp, &bad).await.unwrap_err().to_string(),
        format!(
            "{prefix}failed to get provider identity from service account 'reservoirs/worker' annotations: invalid \
             iam.gke.io/gcp-service-account annotation: 'me@example.org'. must match {EMAIL_PATTERN}"
        )
    );
    let own = format!(
        "{prefix}failed to create provider access token for the controller: google: error getting credentials using \
         GOOGLE_APPLICATION_CREDENTIALS environment variable: "
    );
    let pem = json!({ "type": "service_account", "private_key": "s3cret" }).to_string();
    let cases = [
        ("{}", "missing 'type' field in credentials"),
        (r#"{"type":"authorized_user"}"#, "unknown credential type: \"authorized_user\""),
        (pem.as_str(), "could not parse private key: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key"),
        (r#"{"type":"external_account"}"#, "unsupported credential_source: only 'file' and 'url' are supported"),
    ];
    for (text, message) in cases {
        let file = token_file(text);
        let refusal = context(&server, &[(FILE, file.path().to_str().unwrap())]).registry(Registrar::Gcp).await.unwrap_err();
        assert_eq!(refusal.to_string(), format!("{own}{message}"));
    }
    let file = token_file("s3cret");
    let path = file.path().to_str().unwrap();
    let refusal = context(&server, &[(FILE, path)]).registry(Registrar::Gcp).await.unwrap_err();
    assert_eq!(refusal.to_string(), format!("{own}'{path}' is not the JSON expected (line 1)"));

    let subject = token_file("subject-token");
    let json = json!({
        "type": "external_account", "token_url": format!("{}/nowhere", server.base), "credential_source": { "file": subject.path() },
    });
    let file = token_file(&json.to_string());
    let refusal = context(&server, &[(FILE, file.path().to_str().unwrap())]).registry(Registrar::Gcp).await.unwrap_err();
    assert_eq!(refusal.to_string(), format!("{own}POST {}/nowhere: status code 400: no *** for account-token", server.base));
}
