//! `provider: aws`.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    account, any_server, controller, idle,
    issuer::{Asked, Issuer, after, claims, said},
    issues_tokens, refused, stalled, tells_none_of,
};
use crate::support::{cluster::servers, front::Front, http_proxy::HttpProxy, socks::Guests, tls::Authority, world::World};

const HOST: &str = "git-codecommit.eu-west-1.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/puller";
const KEY: &str = "hidden/s3cret+key";
const SESSION: &str = "hidden-session//==";
const GATE: &str = "--feature-gates=ObjectLevelWorkloadIdentity=true";

fn keys(_: &Asked) -> axum::http::Response<axum::body::Body> {
    let expires = after(3600);
    said(
        200,
        &format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
             <Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>{KEY}</SecretAccessKey>\
             <SessionToken>{SESSION}</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ),
    )
}

/// CodeCommit, as a proxy finds it.
struct CodeCommit {
    proxy: HttpProxy,
    _front: Front,
}

impl CodeCommit {
    async fn start(world: &World) -> Self {
        let authority = Authority::new();
        let front = Front::start_tls(&world.git, &authority, HOST).await;
        let proxy = HttpProxy::start(Guests::Anyone, &[(&format!("{HOST}:443"), front.address())]).await;
        world.space.secret("proxy", &[("address", &proxy.url)]).await;
        world.space.secret("ca", &[("ca.crt", &authority.pem())]).await;
        Self { proxy, _front: front }
    }
}

fn spec(account: Option<&str>) -> Value {
    let mut spec = json!({
        "url": format!("https://{HOST}/r.git"), "ref": {"branch": "main"}, "provider": "aws",
        "proxySecretRef": {"name": "proxy"}, "secretRef": {"name": "ca"},
    });
    if let Some(account) = account {
        spec["serviceAccountName"] = json!(account);
    }
    spec
}

/// Panics unless the user and the password are those that CodeCommit wants for `/r.git`.
fn signed(authorization: &str) {
    let basic = String::from_utf8(BASE64_STANDARD.decode(authorization.strip_prefix("Basic ").unwrap()).unwrap()).unwrap();
    let (user, password) = basic.split_once(':').unwrap();
    assert_eq!(user, format!("ASIAEXAMPLE%{SESSION}"));
    let (time, signature) = password.split_once('Z').unwrap();
    let request = format!("GIT\n/r.git\n\nhost:{HOST}\n\nhost\n");
    let scope = format!("{}/eu-west-1/codecommit/aws4_request", &time[..8]);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{KEY}").into_bytes(), |key, part| mac(&key, part));
    assert_eq!(signature, hex::encode(mac(&key, &text)));
    let made = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S").unwrap().and_utc();
    assert!((chrono::Utc::now() - made).num_seconds().abs() < 60, "{made}");
}

fn all_are_signed(world: &World) {
    let seen = world.git.seen();
    assert!(!seen.is_empty());
    for seen in seen {
        signed(&seen.authorization.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controllers_web_identity_assumes_a_role_and_signs() {
    let world = idle(any_server(), "aws-own").await;
    let codecommit = CodeCommit::start(&world).await;
    let sts = Issuer::start(keys).await;
    let file = world.folder.path().join("web-identity");
    std::fs::write(&file, "hidden-web-identity\n").unwrap();
    let variables =
        [("AWS_ENDPOINT_URL_STS", sts.origin.as_str()), ("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())];
    let controller = controller(&world, &[], &variables);
    for name in ["one", "two"] {
        world.space.source(name, spec(None)).await;
    }
    for name in ["one", "two"] {
        world.space.ready(name).await;
        world.space.poke(name).await;
    }
    all_are_signed(&world);
    let asked = sts.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!((asked[0].form["WebIdentityToken"].as_str(), asked[0].form["RoleArn"].as_str()), ("hidden-web-identity", ROLE));
    assert_eq!(asked[0].form["Action"], "AssumeRoleWithWebIdentity");
    let targets: Vec<_> = codecommit.proxy.asked().into_iter().map(|request| (request.method, request.target)).collect();
    assert!(targets.contains(&("CONNECT".to_owned(), format!("{HOST}:443"))), "{targets:?}");
    assert!(targets.contains(&("POST".to_owned(), sts.origin.trim_start_matches("http://").to_owned())), "{targets:?}");
    let mut secrets = vec![KEY.to_owned(), SESSION.to_owned(), "hidden-web-identity".to_owned()];
    secrets.extend(world.git.seen().into_iter().map(|seen| seen.authorization.unwrap().split_off(6)));
    tells_none_of(&world, &controller.log(), &["one", "two"], &secrets.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_the_object_assumes_its_role() {
    for server in servers() {
        let world = idle(server, "aws").await;
        if !issues_tokens(server, &world).await {
            continue;
        }
        let _codecommit = CodeCommit::start(&world).await;
        let sts = Issuer::start(keys).await;
        let _controller = controller(&world, &[GATE], &[("AWS_ENDPOINT_URL_STS", &sts.origin)]);
        account(server, &world, "puller", &[("eks.amazonaws.com/role-arn", ROLE)]).await;
        world.space.source("x", spec(Some("puller"))).await;
        world.space.ready("x").await;
        world.space.poke("x").await;
        all_are_signed(&world);
        let asked = sts.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        let form = &asked[0].form;
        assert_eq!(form["RoleArn"], ROLE);
        assert_eq!(form["RoleSessionName"], format!("puller.{}.eu-west-1.fluxcd.io", world.space.name));
        let claims = claims(&form["WebIdentityToken"]);
        assert_eq!(claims["aud"], json!(["sts.amazonaws.com"]));
        assert_eq!(claims["sub"], format!("system:serviceaccount:{}:puller", world.space.name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_the_way_is_told() {
    let world = idle(any_server(), "aws-bad").await;
    let _codecommit = CodeCommit::start(&world).await;
    let sts = Issuer::start(|asked| {
        let token = &asked.form["WebIdentityToken"];
        let error = format!("<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not {token}</Message></Error>");
        said(403, &format!("<ErrorResponse>{error}<RequestId>42</RequestId></ErrorResponse>"))
    })
    .await;
    let file = world.folder.path().join("web-identity");
    std::fs::write(&file, "hidden-web-identity").unwrap();
    let variables =
        [("AWS_ENDPOINT_URL_STS", sts.origin.as_str()), ("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())];
    let controller = controller(&world, &[GATE], &variables);
    account(any_server(), &world, "nobody", &[]).await;
    world.space.source("denied", spec(None)).await;
    world.space.source("gone", spec(Some("gone"))).await;
    world.space.source("nobody", spec(Some("nobody"))).await;
    let mut elsewhere = spec(None);
    elsewhere["url"] = json!("https://git.test/r.git");
    world.space.source("elsewhere", elsewhere).await;
    let mut plain = spec(None);
    plain["url"] = json!(format!("http://{HOST}/r.git"));
    world.space.source("plain", plain).await;
    let ns = &world.space.name;
    for (name, why) in [
        ("denied", "https response error StatusCode: 403, RequestID: 42, AccessDenied: Not ***".to_owned()),
        ("gone", format!("failed to get service account '{ns}/gone': ")),
        ("nobody", "invalid eks.amazonaws.com/role-arn annotation: ''".to_owned()),
        ("elsewhere", "invalid AWS CodeCommit Git URL: git.test".to_owned()),
        ("plain", "AWS CodeCommit authentication requires an HTTPS Git URL".to_owned()),
    ] {
        let text = refused(&world, name).await;
        assert!(text.starts_with("failed to configure authentication options: ") && text.contains(&why), "{name}: {text}");
    }
    assert!(world.git.seen().is_empty());
    tells_none_of(&world, &controller.log(), &["denied"], &["hidden-web-identity"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_gate_stalls_the_object() {
    let world = idle(any_server(), "aws-gate").await;
    let codecommit = CodeCommit::start(&world).await;
    let _controller = controller(&world, &[], &[]);
    world.space.source("x", spec(Some("puller"))).await;
    let text = stalled(&world, "x", "FeatureGateDisabled").await;
    assert!(text.contains("ObjectLevelWorkloadIdentity"), "{text}");
    assert!(codecommit.proxy.asked().is_empty());
}
