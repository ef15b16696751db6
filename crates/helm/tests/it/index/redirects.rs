//! Servers that send us to others: credentials stay home unless the repository says otherwise.

use headwater_helm::web::Access;
use headwater_http::{Audience, Basic, ClientCertificate, Trust};
use headwater_testing::{
    charts::{Answer, ChartRepository},
    tls::Authority,
};

use super::{Refusal, access, index};

/// The repository at `url`, with a user and a password.
fn signed(url: &str) -> Access {
    Access { basic: Some(Basic::new("user", "h1dden")), ..access(url) }
}

#[tokio::test]
async fn credentials_stay_home_unless_they_are_to_be_passed() {
    let (home, away) = (ChartRepository::start().await, ChartRepository::start().await);
    home.admit("user", "h1dden");
    for name in ["kept", "passed", "in-url"] {
        away.publish(name, &[("podx", "1.0.0")]);
        let there = format!("{}?token=h1dden", away.url(&format!("{name}/index.yaml")));
        home.answer(&format!("{name}/index.yaml"), Answer::Redirect(there));
    }
    // From one folder to another, nobody has left.
    home.publish("inside", &[("podx", "1.0.0")]);
    home.answer("moved/index.yaml", Answer::Redirect("../inside/index.yaml".into()));
    for name in ["kept", "moved"] {
        index(&signed(&home.url(name))).await.unwrap();
    }
    index(&Access { audience: Audience::Everywhere, ..signed(&home.url("passed")) }).await.unwrap();
    index(&access(&home.url("in-url").replace("://", "://user:h1dden@"))).await.unwrap();
    let seen = away.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>(),
        ["kept", "passed", "in-url"].map(|name| format!("{name}/index.yaml"))
    );
    for seen in seen {
        assert_eq!(seen.header("authorization").is_some(), seen.path.starts_with("passed"), "{}", seen.path);
        assert!(seen.header("referer").is_none(), "{seen:?}");
    }
    // Who was away gets nothing when sent back.
    home.answer("back/index.yaml", Answer::Redirect(away.url("back/index.yaml")));
    away.answer("back/index.yaml", Answer::Redirect(home.url("inside/index.yaml")));
    let refused = index(&signed(&home.url("back"))).await.unwrap_err();
    assert!(refused.text().ends_with("401 Unauthorized") && !refused.text().contains("h1dden"), "{refused:?}");
    assert!(home.seen().last().unwrap().header("authorization").is_none());
}

#[tokio::test]
async fn a_client_certificate_stays_home_unless_it_is_to_be_passed() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let home = ChartRepository::start_tls(&authority, Some(&clients)).await;
    let away = ChartRepository::start_tls(&authority, Some(&clients)).await;
    let open = ChartRepository::start_tls(&authority, None).await;
    let (certificate, key) = clients.issue("client.test");
    let certificate = ClientCertificate::new(certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    let trust = Trust { ca: Some(authority.pem().into_bytes()), certificate: Some(certificate) };
    let mut answers = Vec::new();
    for (name, to, audience) in [("kept", &away, Audience::Home), ("passed", &away, Audience::Everywhere), ("open", &open, Audience::Home)]
    {
        to.publish(name, &[("podx", "1.0.0")]);
        home.answer(&format!("{name}/index.yaml"), Answer::Redirect(to.url(&format!("{name}/index.yaml"))));
        answers.push(index(&Access { trust: trust.clone(), audience, ..access(&home.url(name)) }).await);
    }
    assert!(matches!(&answers[0], Err(Refusal::Fetch(_))), "{:?}", answers[0]);
    // The server's authority is trusted wherever we are sent.
    assert!(answers[1].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(away.seen().iter().all(|seen| seen.path.starts_with("passed")));
}

#[tokio::test]
async fn redirects_in_a_circle_to_nowhere_or_out_of_tls_are_refused() {
    let (charts, authority) = (ChartRepository::start().await, Authority::new());
    let safe = ChartRepository::start_tls(&authority, None).await;
    let target = |url: &str| Answer::Redirect(url.to_owned());
    charts.publish("plain", &[("podx", "1.0.0")]);
    charts.answer("circle/index.yaml", target("index.yaml"));
    charts.answer("file/index.yaml", target("file:///etc/passwd"));
    charts.answer("registry/index.yaml", target("oci://127.0.0.1:1/x"));
    charts.answer("nothing/index.yaml", Answer::Status(302, "".into()));
    safe.answer("plain/index.yaml", target(&charts.url("plain/index.yaml")));
    let trust = Trust { ca: Some(authority.pem().into_bytes()), certificate: None };
    for (name, why) in [
        ("circle", "stopped after 10 redirects"),
        ("file", "refusing a redirect from http to file"),
        ("registry", "refusing a redirect from http to oci"),
        ("nothing", "a redirect without a usable location"),
    ] {
        let refused = index(&access(&charts.url(name))).await.unwrap_err();
        assert!(matches!(&refused, Refusal::Fetch(text) if text.ends_with(why)), "{name}: {refused:?}");
    }
    let refused = index(&Access { trust, ..access(&safe.url("plain")) }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Fetch(text) if text.ends_with("refusing a redirect from https to http")), "{refused:?}");
    assert_eq!(charts.requests("plain/index.yaml"), 0);
}
