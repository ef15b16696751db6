//! Private authorities and client certificates.

use headwater_helm::web::{Access, Error};
use headwater_http::{ClientCertificate, Trust};
use headwater_testing::{charts::ChartRepository, tls::Authority};

use super::{LARGEST, access, fetch};

#[tokio::test]
async fn certificates_are_shown_and_checked_and_what_is_none_is_said() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let charts = ChartRepository::start_tls(&authority, Some(&clients)).await;
    charts.publish("c", &[("podx", "1.0.0")]);
    let ((own, key), (strange, its_key)) = (clients.issue("client.test"), Authority::new().issue("client.test"));
    let (own, key, ca) = (own.pem(), key.serialize_pem(), authority.pem());
    let (strange, its_key, other_ca) = (strange.pem(), its_key.serialize_pem(), clients.pem());
    let pair = |chain: &str, key: &str| Some(ClientCertificate::new(chain.as_bytes().to_vec(), key.as_bytes().to_vec()));
    let trust = |ca: &str, certificate| Trust { ca: Some(ca.as_bytes().to_vec()).filter(|ca| !ca.is_empty()), certificate };
    let ask = async |trust| fetch(&Access { trust, ..access(&charts.url("c")) }, None, LARGEST).await.map(drop);

    ask(trust(&ca, pair(&own, &key))).await.unwrap();
    let mut texts = String::new();
    let unreached = [
        ("nothing is shown", trust(&ca, None)),
        ("a stranger's is shown", trust(&ca, pair(&strange, &its_key))),
        ("the server is not trusted", trust("", pair(&own, &key))),
        ("another authority is trusted", trust(&other_ca, pair(&own, &key))),
    ];
    for (what, trust) in unreached {
        let refused = ask(trust).await.unwrap_err();
        assert!(matches!(refused, Error::Request { .. }), "{what}: {refused}");
        texts += &refused.to_string();
    }
    let unusable = [
        ("certificate and key are nonsense", trust("", pair("x", "y"))),
        ("the key is that of another certificate", trust(&ca, pair(&own, &its_key))),
    ];
    for (what, trust) in unusable {
        let refused = ask(trust).await.unwrap_err();
        assert!(matches!(refused, Error::Unusable(_)), "{what}: {refused}");
        texts += &refused.to_string();
    }
    for line in key.lines().chain(its_key.lines()).filter(|line| line.len() > 20 && !line.contains('-')) {
        assert!(!texts.contains(line), "a line of a key is told");
    }
    assert_eq!(charts.requests("c/index.yaml"), 1);
}
