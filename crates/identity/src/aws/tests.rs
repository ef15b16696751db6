#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::DateTime;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::Provider;
use crate::tests::{Context, Server, Worker, answer, endless, token_file};

const URL: &str = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/repo";
const ARN: &str = "arn:aws:iam::123456789012:role/puller";
const OWN: &str = "failed to get access token for Git repository: failed to create provider access token for the controller";

/// What STS answers, as its reference shows it.
fn assumed(expires: &str) -> String {
    format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:reservoirs:worker</SubjectFromWebIdentityToken>
    <AssumedRoleUser><Arn>{ARN}</Arn><AssumedRoleId>AROA:app1</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>AQoDYXdz/+EE0==</SessionToken>
      <SecretAccessKey>s3cret&amp;key</SecretAccessKey>
      <Expiration>{expires}</Expiration>
      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#
    )
}

fn in_an_hour() -> String {
    (Utc::now() + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn keys() -> String {
    json!({ "Code": "Success", "AccessKeyId": "AKID", "SecretAccessKey": "s3cret", "Token": "tok", "Expiration": in_an_hour() }).to_string()
}

fn basic(credentials: &Credentials) -> (&str, &str) {
    credentials.as_basic().map_or(("", ""), |basic| (basic.user.expose_secret(), basic.password.expose_secret()))
}

/// That a password is what signing at its own time yields.
fn signed(password: &str, secret: &str, url: &str) -> bool {
    let time = DateTime::parse_from_str(&format!("{}+0000", &password[..16]), "%Y%m%dT%H%M%SZ%z").unwrap().to_utc();
    let url = Url::parse(url).unwrap();
    sign::password(secret, region(&url).unwrap(), &url, time) == password
}

#[test]
fn passwords_are_those_of_other_implementations() {
    // Computed with botocore's SigV4Auth and with plain HMAC-SHA-256 of another language.
    let cases = [
        (
            "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/MyDemoRepo",
            "2026-01-02T03:04:05Z",
            "20260102T030405Za65e1c7316c46466c73a462eb9fd7d4d94742a4d4f77bb5d51ac08f2531191a5",
        ),
        (
            "https://git-codecommit.cn-north-1.amazonaws.com.cn:8443/v1/repos/a.b-c_d",
            "2025-12-31T23:59:59Z",
            "20251231T235959Z0ad9c649264143c5e02d0233945f404696808dd4fd56217cf10ab7fdfc87bcbb",
        ),
    ];
    for (url, time, password) in cases {
        let url = Url::parse(url).unwrap();
        let time = DateTime::parse_from_rfc3339(time).unwrap().to_utc();
        assert_eq!(sign::password("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region(&url).unwrap(), &url, time), password);
    }
}

#[test]
fn signatures_are_those_of_the_specification() {
    // The example of "Signature Version 4 signing process" in the AWS General Reference.
    let keys = Token { id: "AKIDEXAMPLE".to_owned(), secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(), ..Token::default() };
    let now = DateTime::parse_from_rfc3339("2015-08-30T12:36:00Z").unwrap().to_utc();
    let url = Url::parse("https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08").unwrap();
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let scope = sign::Scope { region: "us-east-1", service: "iam", now };
    let signed = sign::signed(&keys, &scope, &reqwest::Method::GET, &url, &headers, b"");
    assert_eq!(
        signed.last().unwrap().1,
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn only_codecommit_over_https_has_a_region() {
    let regions = [
        ("https://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", Ok("us-east-1")),
        ("HTTPS://git-codecommit-fips.us-gov-west-1.amazonaws.com/v1/repos/r", Ok("us-gov-west-1")),
        ("https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/r", Ok("cn-north-1")),
        ("http://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", Err("AWS CodeCommit authentication requires an HTTPS Git URL")),
        ("ssh://git-codecommit.us-east-1.amazonaws.com/v1/repos/r", Err("AWS CodeCommit authentication requires an HTTPS Git URL")),
        ("https://git-codecommit.amazonaws.com/r", Err("invalid AWS CodeCommit Git URL: git-codecommit.amazonaws.com")),
        ("https://github.com:444/o/r", Err("invalid AWS CodeCommit Git URL: github.com:444")),
        (
            "https://git-codecommit.us-east-1.amazonaws.com.example.org/r",
            Err("invalid AWS CodeCommit Git URL: git-codecommit.us-east-1.amazonaws.com.example.org"),
        ),
    ];
    for (url, expected) in regions {
        let url = Url::parse(url).unwrap();
        assert_eq!(region(&url).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    }
}

#[test]
fn roles_are_told_by_their_pattern() {
    let good = [ARN, "arn:aws-us-gov:iam::1:role/a/b:c", "arn:aws-cn:iam::000000000000:role/ä"];
    let bad = [
        "",
        "puller",
        "arn:aws:iam::123:user/x",
        "arn:aws:iam::123:role/",
        "arn:aws:iam:eu:123:role/x",
        "arn:aws:iam::12a:role/x",
        "arn:aws:iam:::role/x",
        "arn:gcp:iam::123:role/x",
        "arn:aws!:iam::123:role/x",
        " arn:aws:iam::123:role/x",
        "arn:aws:iam::123:role/x\ny",
    ];
    assert!(good.iter().all(|role| names_role(role)));
    assert!(!bad.iter().any(|role| names_role(role)));
    assert!(!names_role(&format!("{ARN}{}", "x".repeat(200))));
}

#[tokio::test]
async fn an_account_assumes_its_role_once_and_signs_for_every_repository() {
    let server = Server::start(|_| answer(200, assumed(&in_an_hour()))).await;
    let mut context = Context::new(URL, &[("AWS_ENDPOINT_URL_STS", &server.base)]);
    let worker = Worker::with(&[(ROLE, ARN)]);
    let credentials = context.of(&Provider::Aws, &worker).await.unwrap();
    let (username, password) = basic(&credentials.credentials);
    assert_eq!(username, "ASgeIAIOSFODNN7EXAMPLE%AQoDYXdz/+EE0==");
    assert!(signed(password, "s3cret&key", URL));
    let left = credentials.expires - Utc::now();
    assert!(left > TimeDelta::minutes(14) && left <= TimeDelta::minutes(15));

    context.url.set_path("/v1/repos/other");
    let other = context.of(&Provider::Aws, &worker).await.unwrap();
    assert!(signed(basic(&other.credentials).1, "s3cret&key", context.url.as_str()));
    assert_eq!(other.identity, credentials.identity);

    assert_eq!(*worker.audiences.lock().unwrap(), ["sts.amazonaws.com"]);
    let seen = server.only();
    assert_eq!(seen.line, "POST /");
    let expected = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ARN),
        ("RoleSessionName", "worker.reservoirs.eu-west-1.fluxcd.io"),
        ("Version", "2011-06-15"),
        ("WebIdentityToken", "account-token"),
    ];
    assert_eq!(seen.fields(), expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn keys_that_end_soon_end_the_password() {
    let soon = (Utc::now() + TimeDelta::minutes(2)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let server = Server::start(move |_| answer(200, assumed(&soon))).await;
    let context = Context::new(URL, &[("AWS_ENDPOINT_URL", &server.base)]);
    let credentials = context.of(&Provider::Aws, &Worker::with(&[(ROLE, ARN)])).await.unwrap();
    assert!(credentials.expires <= Utc::now() + TimeDelta::minutes(2));
}

#[tokio::test]
async fn an_account_without_a_role_is_told() {
    let context = Context::new(URL, &[]);
    let refusal = context.of(&Provider::Aws, &Worker::with(&[(ROLE, "puller")])).await.unwrap_err().to_string();
    assert_eq!(
        refusal,
        "failed to get access token for Git repository: failed to get provider identity from service account 'reservoirs/worker' \
         annotations: invalid eks.amazonaws.com/role-arn annotation: 'puller'. must match \
         ^arn:aws[\\w-]*:iam::[0-9]{1,30}:role/.{1,200}$"
    );
    let elsewhere = Context::new("https://example.org/r", &[]);
    assert_eq!(elsewhere.refusal(&Provider::Aws).await, "invalid AWS CodeCommit Git URL: example.org");
}

#[tokio::test]
async fn bad_answers_of_the_token_service_are_told_by_what_they_are() {
    let file = token_file("web-identity");
    let server = Server::start(|seen| match seen.line.as_str() {
        "POST /refused" => answer(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not web-identity&lt;!\n</Message></Error>\
             <RequestId>42</RequestId></ErrorResponse>",
        ),
        "POST /html" => answer(500, "<html>down</html>"),
        "POST /empty" => answer(200, "<Credentials></Credentials>"),
        "POST /endless" => endless(),
        _ => answer(200, "hello"),
    })
    .await;
    let cases = [
        ("/refused", "https response error StatusCode: 403, RequestID: 42, AccessDenied: Not ***<!"),
        ("/html", "https response error StatusCode: 500, RequestID: , : "),
        ("/empty", "POST {}: the answer holds no AccessKeyId"),
        ("/endless", "POST {}: the answer is larger than 65536 bytes"),
        ("/other", "POST {}: the answer holds no credentials"),
    ];
    for (path, message) in cases {
        let endpoint = format!("{}{path}", server.base);
        let variables = [
            ("AWS_ENDPOINT_URL_STS", endpoint.as_str()),
            ("AWS_ROLE_ARN", ARN),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
        ];
        let refusal = Context::new(URL, &variables).refusal(&Provider::Aws).await;
        assert_eq!(refusal, format!("{OWN}: operation error STS: AssumeRoleWithWebIdentity: {}", message.replace("{}", &endpoint)));
    }
}

#[tokio::test]
async fn keys_of_the_environment_come_first_and_need_no_session() {
    let variables = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "s3cret"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere")];
    let credentials = Context::new(URL, &variables).own(&Provider::Aws).await.unwrap();
    let (username, password) = basic(&credentials.credentials);
    assert_eq!(username, "AKID");
    assert!(signed(password, "s3cret", URL));
}

#[tokio::test]
async fn the_container_gives_keys_to_who_shows_its_token() {
    let file = token_file("pod-token\n");
    let server = Server::start(|seen| match seen.header("authorization") {
        "pod-token" => answer(200, keys()),
        _ => answer(401, "no"),
    })
    .await;
    let address = format!("{}/v1/credentials", server.base);
    let mut variables = vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str())];
    let refusal = Context::new(URL, &variables).refusal(&Provider::Aws).await;
    assert_eq!(refusal, format!("{OWN}: failed to get container credentials: GET {address}: 401 Unauthorized"));
    variables.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.path().to_str().unwrap()));
    let credentials = Context::new(URL, &variables).own(&Provider::Aws).await.unwrap();
    assert_eq!(basic(&credentials.credentials).0, "AKID%tok");

    let refusal = Context::new(URL, &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.org/")]).refusal(&Provider::Aws).await;
    assert_eq!(refusal, format!("{OWN}: invalid endpoint host, 'example.org', only loopback/ecs/eks hosts are allowed"));
}

#[tokio::test]
async fn the_machine_gives_keys_in_a_session() {
    let server = Server::start(|seen| match (seen.line.as_str(), seen.header("x-aws-ec2-metadata-token")) {
        ("PUT /latest/api/token", _) => answer(200, "session"),
        ("GET /latest/meta-data/iam/security-credentials/", "session") => answer(200, "node-role\n"),
        ("GET /latest/meta-data/iam/security-credentials/node-role", "session") => answer(200, keys()),
        _ => answer(401, ""),
    })
    .await;
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.base.as_str())];
    let credentials = Context::new(URL, &variables).own(&Provider::Aws).await.unwrap();
    assert_eq!(basic(&credentials.credentials).0, "AKID%tok");
    assert_eq!(server.seen()[0].header("x-aws-ec2-metadata-token-ttl-seconds"), "300");

    let disabled = Context::new(URL, &[("AWS_EC2_METADATA_DISABLED", "true")]).refusal(&Provider::Aws).await;
    assert!(disabled.ends_with("the environment has none, and AWS_EC2_METADATA_DISABLED is set"));
}
