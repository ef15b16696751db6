//! Challenges, tokens, and registries that are busy.

use std::sync::{Arc, Mutex};

use super::*;

const TAGS: &str = r#"{"tags":["1.0.0"]}"#;

/// A registry that wants the token `good` from the endpoint at `realm`.
async fn guarded(realm: String) -> Fake {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"s,1\",scope=\"repository:a:pull\"");
    let answer = move |asked: &Asked| match asked.authorization() {
        Some("Bearer good") => json(TAGS),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\""), ("www-authenticate", &challenge)], ""),
    };
    Fake::start(answer).await
}

#[tokio::test]
async fn basic_authentication_is_shown_when_asked_for_and_then_kept() {
    let fake = Fake::start(|asked| match asked.authorization() {
        Some(value) if value == encoded() => json(TAGS),
        _ => answer(
            401,
            &[("www-authenticate", "Basic realm=\"r\"")],
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"pa55w0rd is wrong"}]}"#,
        ),
    });
    let fake = fake.await;
    let registry = fake.registry(basic());
    for _ in 0..2 {
        assert_eq!(registry.tags("a").await.unwrap(), ["1.0.0"]);
    }
    let shown: Vec<bool> = fake.asked().iter().map(|asked| asked.authorization().is_some()).collect();
    assert_eq!(shown, [false, true, true]);

    let place = format!("GET \"http://{}/v2/a/tags/list\"", fake.address);
    let refused = async |credentials| fake.registry(credentials).tags("a").await.unwrap_err().to_string();
    assert_eq!(refused(Credentials::Anonymous).await, format!("{place}: basic credential not found"));
    assert_eq!(refused(Credentials::Refresh("x".into())).await, format!("{place}: missing username or password for basic auth"));
    let before = fake.asked().len();
    let wrong = Credentials::Basic(Basic::new("you", PASSWORD));
    assert_eq!(refused(wrong).await, format!("{place}: response status code 401: unauthorized: *** is wrong"));
    assert_eq!(fake.asked().len(), before + 2, "a refusal is not argued with");
}

#[tokio::test]
async fn tokens_are_fetched_from_another_origin_and_kept() {
    let issuer = Fake::start(|_| json(r#"{"token":"good","expires_in":60}"#)).await;
    let fake = guarded(format!("http://{}/token?x=1", issuer.address)).await;
    let registry = fake.registry(basic());
    for _ in 0..2 {
        assert_eq!(registry.tags("a").await.unwrap(), ["1.0.0"]);
    }
    registry.tags("b").await.unwrap();
    let asked = issuer.asked();
    assert_eq!(asked.len(), 2, "one for each scope");
    assert_eq!(asked[0].target(), "/token?x=1&service=s%2C1&scope=repository%3Aa%3Apull");
    assert_eq!(asked[1].target(), "/token?x=1&service=s%2C1&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull");
    assert!(asked.iter().all(|asked| asked.authorization() == Some(encoded().as_str())));
    assert!(fake.asked().iter().all(|asked| asked.authorization().is_none_or(|value| value == "Bearer good")));
    fake.registry(Credentials::Anonymous).tags("a").await.unwrap();
    assert_eq!(issuer.asked().last().unwrap().authorization(), None);
}

#[tokio::test]
async fn an_identity_token_is_posted_and_an_access_token_shown() {
    let issuer = Fake::start(|_| json(r#"{"access_token":"good"}"#)).await;
    let fake = guarded(format!("http://{}/token", issuer.address)).await;
    fake.registry(Credentials::Refresh("re fresh".into())).tags("a").await.unwrap();
    let asked = issuer.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].authorization()), (1, "POST", None));
    let form = "grant_type=refresh_token&service=s%2C1&client_id=headwater&scope=repository%3Aa%3Apull&refresh_token=re+fresh";
    assert_eq!(asked[0].text(), form);
    fake.registry(Credentials::Access("good".into())).tags("a").await.unwrap();
    assert_eq!(issuer.asked().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_no_longer_good_is_fetched_anew_once() {
    let issuer = Fake::start(|_| json(r#"{"token":"good"}"#)).await;
    let realm = format!("Bearer realm=\"http://{}/token\"", issuer.address);
    let count = Arc::new(Mutex::new(0));
    let fake = Fake::start(move |asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        // The third request comes with a token that has expired; from the fifth on, none is good.
        if asked.authorization() == Some("Bearer good") && *count != 3 && *count < 5 {
            json(TAGS)
        } else {
            answer(401, &[("www-authenticate", &realm)], "")
        }
    });
    let fake = fake.await;
    let registry = fake.registry(basic());
    registry.tags("a").await.unwrap();
    registry.tags("a").await.unwrap();
    assert_eq!((fake.asked().len(), issuer.asked().len()), (4, 2));
    let error = registry.tags("a").await.unwrap_err().to_string();
    assert!(error.ends_with("response status code 401: Unauthorized"), "{error}");
    assert_eq!((fake.asked().len(), issuer.asked().len()), (6, 3));
}

#[tokio::test]
async fn token_endpoints_that_misbehave_are_told_from_the_registry() {
    let issuer = Fake::start(|asked| match asked.target().split(['/', '?']).nth(1).unwrap() {
        "hang" => answer(200, &[], body::stalled("")),
        "html" => answer(200, &[("content-type", "text/html")], "<html>good</html>"),
        "empty" => json("{}"),
        "secret" => json(r#"{"token": 12345}"#),
        "large" => answer(200, &[], vec![b' '; 10 << 20]),
        "header" => json(r#"{"token":"a\nb"}"#),
        "again" => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
        _ => answer(403, &[], "no"),
    });
    let issuer = issuer.await;
    for (path, why) in [
        ("hang", "no answer within 200ms"),
        ("html", "failed to decode response: invalid character '<' looking for beginning of value"),
        ("secret", "failed to decode response"),
        ("empty", "empty token returned"),
        ("header", "the token cannot be sent in a header"),
        ("again", "response status code 401: denied: no"),
        ("none", "response status code 403: Forbidden"),
    ] {
        let realm = format!("http://{}/{path}", issuer.address);
        let fake = guarded(realm.clone()).await;
        let registry = fake.limited(basic(), Limits { idle: QUICK, ..Limits::default() });
        let error = registry.tags("a").await.unwrap_err().to_string();
        assert_eq!(error, format!("GET \"http://{}/v2/a/tags/list\": GET \"{realm}\": {why}", fake.address));
    }
    let fake = guarded(format!("http://{}/large", issuer.address)).await;
    let large = fake.registry(basic()).tags("a").await.unwrap_err().to_string();
    assert!(large.ends_with("exceeds the limit of 131072 bytes"), "{large}");
}

#[tokio::test]
async fn realms_that_would_give_credentials_away_are_refused() {
    let registry = |host: &str, scheme| Registry::new(clients(), host, scheme, basic(), Limits::default()).unwrap();
    let secure = registry("registry.example", Scheme::Https);
    let plain = registry("127.0.0.1:5000", Scheme::Http);
    assert_eq!(secure.realm("https://auth.example/t?a=b#c").unwrap().as_str(), "https://auth.example/t?a=b");
    assert_eq!(secure.realm("https://u:p@auth.example/t").unwrap().as_str(), "https://auth.example/t");
    assert!(plain.realm("http://auth.example/t").is_ok());
    assert!(plain.realm("http://127.0.0.1:6000/t").is_ok());
    let http = "bearer realm \"http://auth.example/t\" uses http but registry was contacted over https";
    assert_eq!(secure.realm("http://auth.example/t").unwrap_err(), http);
    for address in ["169.254.169.254", "10.0.0.1", "127.0.0.1", "0.0.0.0", "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]"] {
        let refused = secure.realm(&format!("https://{address}/t")).unwrap_err();
        assert!(refused.ends_with("is a loopback, link-local, private, or unspecified address"), "{refused}");
    }
    assert_eq!(secure.realm("").unwrap_err(), "failed to parse bearer realm \"\": relative URL without a base");
    assert_eq!(secure.realm("file:///x").unwrap_err(), "bearer realm \"file:///x\" uses unsupported scheme \"file\"");
}

#[tokio::test]
async fn tokens_do_not_follow_redirects_to_other_hosts() {
    let thief = Fake::start(|_| json(r#"{"token":"good"}"#)).await;
    let location = format!("http://{}/token", thief.address);
    let issuer = Fake::start(move |_| answer(307, &[("location", &location)], "")).await;
    let fake = guarded(format!("http://{}/token", issuer.address)).await;
    fake.registry(basic()).tags("a").await.unwrap();
    assert!(thief.asked().iter().all(|asked| asked.authorization().is_none()));
    let before = thief.asked().len();
    let refused = fake.registry(Credentials::Refresh("refresh".into())).tags("a").await.unwrap_err().to_string();
    assert!(refused.ends_with("response status code 307: Temporary Redirect"), "{refused}");
    assert_eq!(thief.asked().len(), before);
}

#[tokio::test]
async fn who_asks_for_what_is_not_known_gets_nothing() {
    let fake = Fake::start(|_| answer(401, &[("www-authenticate", "Negotiate")], "")).await;
    let error = fake.registry(basic()).tags("a").await.unwrap_err().to_string();
    assert!(error.ends_with("response status code 401: Unauthorized"), "{error}");
    assert!(fake.asked().iter().all(|asked| asked.authorization().is_none()));
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_a_few_times() {
    let count = Arc::new(Mutex::new(0));
    let fake = Fake::start(move |asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        match asked.target().split('/').nth(2).unwrap() {
            "soon" if *count == 3 => json(TAGS),
            "soon" => answer(503, &[], ""),
            _ => answer(429, &[("retry-after", "1000000000")], r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#),
        }
    });
    let fake = fake.await;
    let registry = fake.limited(Credentials::Anonymous, Limits { pause: QUICK, ..Limits::default() });
    let start = std::time::Instant::now();
    assert_eq!(registry.tags("soon").await.unwrap(), ["1.0.0"]);
    let error = registry.tags("never").await.unwrap_err().to_string();
    assert!(error.ends_with("response status code 429: toomanyrequests: slow down"), "{error}");
    assert_eq!(fake.asked().len(), 3 + 4);
    assert!(start.elapsed() >= 5 * QUICK, "{:?}", start.elapsed());
}
