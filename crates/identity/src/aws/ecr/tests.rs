#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::tests::{Context, Server, Worker, answer, endless};
use headwater_http::Credentials;

use crate::Registrar;

const URL: &str = "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/charts/app";
const OWN: [(&str, &str); 3] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s3cret"), ("AWS_SESSION_TOKEN", "tok")];

fn authorization(text: &str) -> serde_json::Value {
    json!({ "authorizationToken": STANDARD.encode(text), "expiresAt": f64::from(u32::try_from(Utc::now().timestamp()).unwrap()) + 43200.25 })
}

fn context(url: &str, variable: &str, base: &str) -> Context {
    let variables: Vec<_> = OWN.into_iter().chain([(variable, base)]).collect();
    Context::new(url, &variables)
}

#[test]
fn hosts_name_their_region() {
    let good = [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com:443", "eu-west-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr-ecr.us-east-1.on.aws", "us-east-1"),
        ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
    ];
    for (host, region) in good {
        assert_eq!(Service::of(host).unwrap(), Service::Private(region));
    }
    assert_eq!(Service::of("public.ecr.aws").unwrap(), Service::Public);
    let bad = [
        "",
        "ghcr.io",
        "public.ecr.aws.example.org",
        "dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.org",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.nc",
        "123456789012.dkr.ecr.amazonaws.com",
        "example.org:123.dkr.ecr.eu-west-1.amazonaws.com",
    ];
    for host in bad {
        let refusal = Service::of(host).err().map(|error| error.to_string());
        assert_eq!(
            refusal.as_deref(),
            Some(
                format!(
                    "invalid AWS registry: '{host}'. must match ([0-9+]*).dkr[.-]ecr(?:-fips)?\\.([^/.]*)\\.(amazonaws\\.com[.cn]*\
                     |amazonaws\\.eu|sc2s\\.sgov\\.gov|c2s\\.ic\\.gov|cloud\\.adc-e\\.uk|csp\\.hci\\.ic\\.gov|on\\.aws)"
                )
                .as_str()
            ),
            "{host}"
        );
    }
}

#[test]
fn endpoints_follow_region_and_environment() {
    let endpoint = |service: &Service<'_>, variables: &[(&str, &str)]| service.endpoint(&Context::new(URL, variables).request());
    let private = Service::Private("cn-north-1");
    assert_eq!(endpoint(&private, &[]), "https://api.ecr.cn-north-1.amazonaws.com.cn");
    assert_eq!(endpoint(&Service::Private("eusc-de-east-1"), &[]), "https://api.ecr.eusc-de-east-1.amazonaws.eu");
    let fips = [("AWS_USE_FIPS_ENDPOINT", "true")];
    assert_eq!(endpoint(&Service::Private("us-east-1"), &fips), "https://ecr-fips.us-east-1.amazonaws.com");
    assert_eq!(endpoint(&Service::Public, &fips), "https://api.ecr-public.us-east-1.amazonaws.com");
    let both = [("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_ECR", "http://ecr")];
    assert_eq!((endpoint(&private, &both), endpoint(&Service::Public, &both)), ("http://ecr".to_owned(), "http://all".to_owned()));
}

#[tokio::test]
async fn keys_buy_a_password_once() {
    let server = Server::start(|_| answer(200, json!({ "authorizationData": [authorization("AWS:p4ss")] }).to_string())).await;
    let context = context(URL, "AWS_ENDPOINT_URL_ECR", &server.base);
    let credentials = context.registry(Registrar::Aws).await.unwrap();
    assert_eq!(credentials.credentials, Credentials::basic("AWS", "p4ss"));
    assert!((credentials.expires - Utc::now()).num_minutes() > 700);
    assert_eq!(context.registry(Registrar::Aws).await.unwrap().identity, credentials.identity);

    let seen = server.only();
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("POST /", "{}"));
    assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(seen.header("x-amz-security-token"), "tok");
    let authorization = seen.header("authorization");
    let day = &seen.header("x-amz-date")[..8];
    assert!(
        authorization.starts_with(&format!(
            "AWS4-HMAC-SHA256 Credential=AKID/{day}/eu-west-1/ecr/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature="
        )),
        "{authorization}"
    );
}

#[tokio::test]
async fn the_public_gallery_has_its_own_service() {
    let server = Server::start(|_| answer(200, json!({ "authorizationData": authorization("AWS:p4ss") }).to_string())).await;
    let context = context("oci://public.ecr.aws/x/app", "AWS_ENDPOINT_URL_ECR_PUBLIC", &server.base);
    context.registry(Registrar::Aws).await.unwrap();
    let seen = server.only();
    assert_eq!(seen.header("x-amz-target"), "SpencerFrontendService.GetAuthorizationToken");
    assert!(seen.header("authorization").contains("/us-east-1/ecr-public/aws4_request"));
}

#[tokio::test]
async fn an_account_has_a_password_of_its_own() {
    let role =
        "<Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey><AccessKeyId>ROLE</AccessKeyId></Credentials>";
    let server = Server::start(move |seen| {
        if seen.header("x-amz-target").is_empty() {
            return answer(200, role);
        }
        let whom = if seen.header("authorization").contains("ROLE") { "AWS:role" } else { "AWS:own" };
        answer(200, json!({ "authorizationData": [authorization(whom)] }).to_string())
    })
    .await;
    let context = context(URL, "AWS_ENDPOINT_URL", &server.base);
    let worker = Worker::with(&[("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/puller")]);
    let (own, role) = (context.registry(Registrar::Aws).await.unwrap(), context.registry_of(Registrar::Aws, &worker).await.unwrap());
    assert_eq!(role.credentials, Credentials::basic("AWS", "role"));
    assert_ne!(own.identity, role.identity);
}

#[tokio::test]
async fn bad_answers_are_told_by_what_they_are() {
    let whole = |text: &str| json!({ "authorizationData": [authorization(text)] }).to_string();
    let operation = "operation error ECR: GetAuthorizationToken: ";
    let cases = [
        (200, "{}".to_owned(), "no authorization data returned".to_owned()),
        (200, r#"{"authorizationData":[]}"#.to_owned(), "no authorization data returned".to_owned()),
        (200, r#"{"authorizationData":[{}]}"#.to_owned(), "authorization token is nil".to_owned()),
        (200, r#"{"authorizationData":[{"authorizationToken":"YQ=="}]}"#.to_owned(), "authorization token expiration is nil".to_owned()),
        (
            200,
            r#"{"authorizationData":[{"authorizationToken":"?","expiresAt":1}]}"#.to_owned(),
            "failed to parse authorization token: illegal base64 data".to_owned(),
        ),
        (200, whole("AWS"), "invalid authorization token format".to_owned()),
        (200, whole("a:b:c"), "invalid authorization token format".to_owned()),
        (
            400,
            r#"{"__type":"com.amazon#UnrecognizedClientException","message":"the tok is\ninvalid"}"#.to_owned(),
            format!("{operation}https response error StatusCode: 400, RequestID: , UnrecognizedClientException: the *** is invalid"),
        ),
        (500, "<html>".to_owned(), format!("{operation}https response error StatusCode: 500, RequestID: , :")),
    ];
    for (status, body, message) in cases {
        let server = Server::start(move |_| answer(status, body.clone())).await;
        let refusal = context(URL, "AWS_ENDPOINT_URL_ECR", &server.base).registry(Registrar::Aws).await.unwrap_err().to_string();
        assert_eq!(refusal, format!("failed to create artifact registry credentials: {message}"));
    }
    let server = Server::start(|_| endless()).await;
    let refusal = context(URL, "AWS_ENDPOINT_URL_ECR", &server.base).registry(Registrar::Aws).await.unwrap_err().to_string();
    assert!(refusal.ends_with("the answer is larger than 65536 bytes"), "{refusal}");
}
