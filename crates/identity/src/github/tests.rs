#![expect(clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::Provider;
use crate::tests::{Context, Server, answer, endless};

const URL: &str = "https://github.com/org/repo";

fn generated() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn pkcs8(pair: &KeyPair) -> String {
    pem("PRIVATE KEY", pair.as_der().unwrap().as_ref())
}

fn data(fields: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    fields.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn app(fields: &[(&str, &str)]) -> Provider {
    Provider::GitHub(App::from_data(&data(fields)).unwrap().unwrap())
}

fn issued(life: TimeDelta) -> String {
    json!({ "token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "expires_at": (Utc::now() + life).format("%Y-%m-%dT%H:%M:%SZ").to_string() })
        .to_string()
}

fn checked(claim: &str, pair: &KeyPair) -> (Value, Value) {
    let (signed, signature) = claim.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()).verify(signed.as_bytes(), &signature).unwrap();
    let decoded = |text| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    (decoded(header), decoded(claims))
}

#[tokio::test]
async fn a_signed_claim_buys_a_token_once() {
    let pair = generated();
    let server = Server::start(|_| answer(201, issued(TimeDelta::hours(1)))).await;
    let base = format!("{}/api/v3", server.base);
    let app = app(&[(ID, "1234"), (INSTALLATION, "56"), (KEY, &pkcs8(&pair)), (BASE, &base)]);
    let context = Context::new(URL, &[]);
    let first = context.own(&app).await.unwrap();
    let second = context.own(&app).await.unwrap();

    assert_eq!(first.credentials, Credentials::basic("x-access-token", "ghs_16C7e42F292c6912E7710c838347Ae178B4a"));
    assert!(first.expires > Utc::now() + TimeDelta::minutes(59));
    assert_eq!((&second.credentials, &second.identity), (&first.credentials, &first.identity));
    let seen = server.only();
    assert_eq!(seen.line, "POST /api/v3/app/installations/56/access_tokens");
    assert_eq!(seen.header("accept"), "application/vnd.github+json");
    assert_eq!(seen.body, "");
    let (header, claims) = checked(seen.header("authorization").strip_prefix("Bearer ").unwrap(), &pair);
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT" }));
    assert_eq!(claims["iss"], "1234");
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(exp - iat, 120);
    assert!((Utc::now().timestamp() - 30 - iat).abs() <= 2);
}

#[test]
fn both_encodings_of_a_key_are_read() {
    let pair = generated();
    let der = pair.as_der().unwrap();
    // PKCS#8 wraps PKCS#1: 26 bytes of wrapping for a key of this size.
    let pkcs1 = pem("RSA PRIVATE KEY", &der.as_ref()[26..]);
    for text in [pkcs1.clone(), pkcs8(&pair), pkcs1.replace('\n', "\r\n")] {
        let read = jwt::key(text.as_bytes()).unwrap();
        assert_eq!(read.public_key().as_ref(), pair.public_key().as_ref());
    }
}

#[test]
fn a_claim_is_made_for_its_moment() {
    let pair = generated();
    let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05.678Z").unwrap().to_utc();
    let (_, claims) = checked(&claim(7, &pair, now).unwrap(), &pair);
    assert_eq!(claims, json!({ "iss": "7", "iat": 1_767_323_015, "exp": 1_767_323_135 }));
}

#[tokio::test]
async fn the_installation_of_an_owner_is_looked_up() {
    let pair = generated();
    let server = Server::start(|seen| match seen.line.as_str() {
        "GET /orgs/or%2Fg/installation" | "GET /users/jo/installation" => answer(200, r#"{"id": 99, "account": {}}"#),
        "POST /app/installations/99/access_tokens" => answer(201, issued(TimeDelta::hours(1))),
        _ => answer(404, r#"{"message":"Not Found","documentation_url":"x"}"#),
    })
    .await;
    let context = Context::new(URL, &[]);
    let owned = |owner: &str| app(&[(ID, "1"), (OWNER, owner), (KEY, &pkcs8(&pair)), (BASE, &server.base)]);
    context.own(&owned("or/g")).await.unwrap();
    context.own(&owned("jo")).await.unwrap();
    let base = &server.base;
    assert_eq!(
        context.refusal(&owned("nobody")).await,
        format!(
            "failed to find organization installation: GET {base}/orgs/nobody/installation: 404 Not Found []\n\
             failed to find user installation: GET {base}/users/nobody/installation: 404 Not Found []"
        )
    );
    let token = "POST /app/installations/99/access_tokens";
    assert_eq!(
        server.lines(),
        [
            "GET /orgs/or%2Fg/installation",
            token,
            "GET /orgs/jo/installation",
            "GET /users/jo/installation",
            token,
            "GET /orgs/nobody/installation",
            "GET /users/nobody/installation"
        ]
    );
}

#[tokio::test]
async fn what_is_unusable_is_told_before_anyone_is_asked() {
    let context = Context::new(URL, &[]);
    let key = pkcs8(&generated());
    let not_pem = "could not parse private key: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key";
    let not_rsa = "could not parse private key: key is not a valid RSA private key";
    let cases = [
        (vec![(ID, "one"), (INSTALLATION, "2"), (KEY, &key)], "app ID must be provided to use github app authentication"),
        (
            vec![(ID, "1"), (INSTALLATION, "two"), (KEY, &key)],
            "app installation owner or ID must be provided to use github app authentication",
        ),
        (vec![(ID, "1"), (OWNER, ""), (KEY, &key)], "app installation owner or ID must be provided to use github app authentication"),
        (vec![(ID, "1"), (INSTALLATION, "2"), (KEY, "")], "private key must be provided to use github app authentication"),
        (vec![(ID, "1"), (INSTALLATION, "2"), (KEY, "s3cret")], not_pem),
        (vec![(ID, "1"), (INSTALLATION, "2"), (KEY, "-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n")], not_rsa),
        (vec![(ID, "1"), (INSTALLATION, "2"), (KEY, "-----BEGIN EC PRIVATE KEY-----\nczNjcmV0\n-----END EC PRIVATE KEY-----\n")], not_rsa),
        (vec![(ID, "1"), (INSTALLATION, "2"), (KEY, &key), (BASE, "github.example")], "invalid API URL: relative URL without a base"),
    ];
    for (fields, message) in cases {
        assert_eq!(context.refusal(&app(&fields)).await, message);
    }
}

#[test]
fn a_secret_without_an_app_is_none_and_one_with_two_installations_is_refused() {
    let none = [data(&[]), data(&[(ID, "1"), (INSTALLATION, "2")]), data(&[(KEY, "k"), (OWNER, "o")])];
    assert!(none.iter().all(|data| App::from_data(data).unwrap().is_none()));
    let message = "must contain exactly one of 'githubAppInstallationOwner' or 'githubAppInstallationID'";
    for data in [data(&[(ID, "1"), (KEY, "k")]), data(&[(ID, "1"), (KEY, "k"), (OWNER, "o"), (INSTALLATION, "2")])] {
        assert_eq!(App::from_data(&data).unwrap_err().to_string(), message);
    }
    let printed = format!("{:?}", app(&[(ID, "1"), (OWNER, "org"), (KEY, "s3cret")]));
    assert!(printed.contains("org") && !printed.contains("s3cret"), "{printed}");
}

#[tokio::test]
async fn bad_answers_are_told_by_what_they_are() {
    let pair = generated();
    let server = Server::start(|seen| {
        let claim = seen.header("authorization").trim_start_matches("Bearer ");
        match seen.line.split('/').nth(3).unwrap() {
            "1" => answer(401, r#"{"message":"A JSON web token could not be decoded"}"#),
            "2" => answer(500, "<html>Unicorn!</html>"),
            "3" => answer(201, "<html>Welcome</html>"),
            "4" => answer(201, "{}"),
            "5" => endless(),
            _ => answer(403, json!({ "message": format!("bad\nclaim {claim}") }).to_string()),
        }
    })
    .await;
    let context = Context::new(URL, &[]);
    let mut told = Vec::new();
    for installation in ["1", "2", "3", "4", "5", "6"] {
        let app = app(&[(ID, "1"), (INSTALLATION, installation), (KEY, &pkcs8(&pair)), (BASE, &server.base)]);
        let refusal = context.refusal(&app).await;
        told.push(
            refusal.strip_prefix(&format!("POST {}/app/installations/{installation}/access_tokens: ", server.base)).unwrap().to_owned(),
        );
    }
    assert_eq!(
        told,
        [
            "401 A JSON web token could not be decoded []",
            "500  []",
            "the answer is not the JSON expected (line 1)",
            "the answer holds no token",
            "the answer is larger than 65536 bytes",
            "403 bad claim *** []",
        ]
    );
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_kept_and_one_without_an_end_neither() {
    let pair = generated();
    let server = Server::start(|seen| {
        let expired = seen.line.contains("/1/");
        answer(201, if expired { issued(TimeDelta::hours(-1)) } else { r#"{"token":"t"}"#.to_owned() })
    })
    .await;
    let context = Context::new(URL, &[]);
    for installation in ["1", "2"] {
        let app = app(&[(ID, "1"), (INSTALLATION, installation), (KEY, &pkcs8(&pair)), (BASE, &server.base)]);
        context.own(&app).await.unwrap();
        context.own(&app).await.unwrap();
    }
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn another_key_or_route_is_another_identity() {
    let (one, other) = (generated(), generated());
    let server = Server::start(|_| answer(201, issued(TimeDelta::hours(1)))).await;
    let context = Context::new(URL, &[]);
    let of = |pair: &KeyPair| app(&[(ID, "1"), (INSTALLATION, "2"), (KEY, &pkcs8(pair)), (BASE, &server.base)]);
    let a = context.own(&of(&one)).await.unwrap();
    let b = context.own(&of(&other)).await.unwrap();
    let c = crate::credentials(&of(&one), &Request { route: "http://proxy:3128", ..context.request() }).await.unwrap();
    assert!(a.identity != b.identity && a.identity != c.identity);
    assert_eq!(server.lines().len(), 3);
}
