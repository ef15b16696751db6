//! Input that clients should not send.

use std::time::{Duration, Instant};

use axum::http::Method;
use headwater_testing::kubernetes::rest::{APPLY, JSON, JSON_PATCH, MAPS, MERGE, map};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::Embedded;

/// Sends bytes as they are, and answers how many were taken and what came back until the server closed the connection.
async fn raw(url: &str, head: &str, chunk: &[u8], times: usize) -> (usize, String) {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = head.to_owned();
    let chunk = chunk.to_vec();
    let sending = async move {
        let mut sent = 0;
        if writer.write_all(head.as_bytes()).await.is_ok() {
            for _ in 0..times {
                if writer.write_all(&chunk).await.is_err() {
                    break;
                }
                sent += chunk.len();
            }
        }
        (sent, writer)
    };
    let reading = async move {
        let mut text = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(Ok(read @ 1..)) = tokio::time::timeout(Duration::from_secs(5), reader.read(&mut bytes)).await {
            text.extend_from_slice(&bytes[..read]);
            if text.ends_with(b"}") || text.ends_with(b"found\n") || text.ends_with(b"ok") {
                break;
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    };
    tokio::pin!(sending);
    tokio::pin!(reading);
    tokio::select! {
        text = &mut reading => (0, text),
        (sent, _writer) = &mut sending => (sent, reading.await),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let server = Embedded::start().await;
    let large = vec![b' '; (3 << 20) + 1];
    let message = server.api.ask(Method::POST, MAPS, JSON, large).await.unwrap().refusal(413);
    assert_eq!(message, "Request entity too large: limit is 3145728");

    // A length that nobody would read to its end.
    let head = format!("POST {MAPS} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100000000000\r\n\r\n");
    let (_, text) = raw(&server.api.url, &head, &[], 0).await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    // No length and no end.
    let head = format!("POST {MAPS} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let (sent, text) = raw(&server.api.url, &head, &chunk, 10_000).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && sent < 64 << 20, "{sent} {text}");

    // An object of the greatest size that is still sent, but not stored.
    let message = server.api.post(MAPS, &map("large", &"x".repeat(1 << 20))).await;
    assert_eq!(message.code, 201);
    server.api.post(MAPS, &map("larger", &"x".repeat((1 << 20) + 1))).await.refusal(422);
    let annotated = json!({"metadata": {"name": "s", "annotations": {"a": "x".repeat(300_000)}}});
    assert!(server.api.post(MAPS, &annotated).await.refusal(422).contains("metadata.annotations"));
    server.api.get("/api/v1/namespaces").await.ok();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_are_refused_with_a_reason() {
    let server = Embedded::start().await;
    server.define_things().await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let deep =
        |open: &str, close: &str, n: usize| format!("{{\"metadata\":{{\"name\":\"x\"}},\"spec\":{}{}}}", open.repeat(n), close.repeat(n));
    let bomb = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g]\n";
    for (media, body) in [
        (JSON, String::new()),
        (JSON, "not JSON".into()),
        (JSON, "{".into()),
        (JSON, "[]".into()),
        (JSON, "null".into()),
        (JSON, "\"text\"".into()),
        (JSON, "{\"metadata\": 1}".into()),
        (JSON, "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":\"x\"}".into()),
        (JSON, deep("{\"a\":", "}", 100_000).replace(":}", ":1}")),
        (JSON, deep("[", "]", 1_000_000)),
        ("application/yaml", "[".repeat(1_000_000)),
        ("application/yaml", (0..400).flat_map(|depth| [" ".repeat(depth), "a:\n".to_owned()]).collect()),
        ("application/yaml", format!("{}{}", "[".repeat(1_900), "]".repeat(1_900))),
        ("application/yaml", format!("a: {}{}", "{a: ".repeat(1_900), "}".repeat(1_900))),
        ("application/yaml", bomb.into()),
        ("application/yaml", "\u{0}".into()),
        ("application/vnd.kubernetes.protobuf", "k8s\u{0}\u{1}\u{2}".into()),
    ] {
        for path in [MAPS, things] {
            let answer = server.api.ask(Method::POST, path, media, body.clone()).await.unwrap();
            let expected: &[u16] = if media == JSON || media.ends_with("yaml") { &[400] } else { &[400, 415] };
            assert!(expected.contains(&answer.code) && answer.body["kind"] == "Status", "{media} {:.40}: {}", body, answer.body);
            assert!(answer.body.to_string().len() < 8 << 10 || body.len() < 8 << 10, "the answer repeats the body");
        }
    }
    for media in ["text/html", "application/xml", "application/json-patch+json", "multipart/form-data"] {
        server.api.ask(Method::POST, MAPS, media, map("x", "").to_string()).await.unwrap().refusal(415);
    }
    server.api.post(MAPS, &map("x", "")).await.ok();
    let path = format!("{MAPS}/x");
    for media in [JSON, "text/plain", "application/yaml"] {
        server.api.ask(Method::PATCH, &path, media, "{}").await.unwrap().refusal(415);
    }
    for (media, body) in [(MERGE, "[]"), (MERGE, "{"), (MERGE, ""), (JSON_PATCH, "{}"), (JSON_PATCH, "[1]"), (APPLY, ": :"), (APPLY, "[]")]
    {
        server.api.ask(Method::PATCH, &format!("{path}?fieldManager=x"), media, body).await.unwrap().refusal(400);
    }
    server.api.patch(&path, APPLY, &json!({})).await.refusal(422);
    server.api.patch(&path, JSON_PATCH, &json!([{"op": "add", "path": "/none/of/it", "value": 1}])).await.refusal(422);
    server.api.ask(Method::DELETE, &path, JSON, "{").await.unwrap().refusal(400);
    assert_eq!(server.api.get(&path).await.ok()["data"]["value"], "");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_the_wrong_type_break_nothing_wherever_they_are() {
    let server = Embedded::start().await;
    server.define_things().await;
    let definition = json!({"metadata": {"name": "others.example.com"}, "spec": {
        "group": "example.com", "scope": "Cluster", "names": {"plural": "others", "singular": "other", "kind": "Other", "listKind": "OtherList", "shortNames": ["o"], "categories": ["all"]},
        "conversion": {"strategy": "None"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "default": {}}}}},
            "subresources": {"status": {}}, "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".a"}]}],
    }, "status": {"conditions": [], "acceptedNames": {"kind": "Other", "plural": "others"}, "storedVersions": ["v1"]}});
    let metadata = json!({"name": "x", "generateName": "x", "labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["example.com/a"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "y"}], "managedFields": [{"manager": "m", "operation": "Update", "fieldsV1": {}}],
        "uid": "u", "resourceVersion": "", "generation": 1, "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z", "namespace": ""});
    let whole = |mut body: Value| {
        for (key, value) in metadata.as_object().unwrap() {
            if body["metadata"][key].is_null() {
                body["metadata"][key] = value.clone();
            }
        }
        body
    };
    for (path, body) in [
        (MAPS, json!({"data": {"a": "b"}, "binaryData": {"a": "YQ=="}, "immutable": true})),
        (
            "/api/v1/namespaces/default/secrets",
            json!({"data": {"a": "YQ=="}, "stringData": {"a": "b"}, "type": "Opaque", "immutable": false}),
        ),
        ("/api/v1/namespaces", json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})),
        ("/api/v1/namespaces/default/serviceaccounts", json!({"secrets": [{"name": "x"}]})),
        (
            "/api/v1/namespaces/default/events",
            json!({"involvedObject": {"namespace": "default"}, "lastTimestamp": null, "count": 1, "source": {"component": "x"}}),
        ),
        ("/apis/coordination.k8s.io/v1/namespaces/default/leases", json!({"spec": {"holderIdentity": "x", "leaseDurationSeconds": 1}})),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
        (
            "/apis/example.com/v1/namespaces/default/things",
            json!({"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"a": 1}, "status": {"a": 1}}),
        ),
    ] {
        let body = whole(body);
        // One that is there to be patched, and one that is not.
        let mut there = body.clone();
        there["metadata"] = json!({"name": body["metadata"]["name"]});
        server.api.post(path, &there).await;
        let name = if path == MAPS { "none".to_owned() } else { body["metadata"]["name"].as_str().unwrap().to_owned() };
        let mut pointers = Vec::new();
        places(&body, "", &mut pointers);
        for (at, pointer) in pointers.into_iter().enumerate() {
            for wrong in [json!(null), json!("text"), json!([[]]), json!({"a": {}})] {
                let mut bad = body.clone();
                *bad.pointer_mut(&pointer).unwrap() = wrong;
                // Most are not kept: what is asked of them comes before that.
                let query = if path == MAPS { "" } else { "?dryRun=All" };
                let done = server.api.ask(Method::POST, &format!("{path}{query}"), JSON, bad.to_string()).await;
                let answer = done.unwrap_or_else(|error| panic!("POST {path} {bad}: {error}"));
                let fine = answer.code < 500 || is_plain(&answer.body);
                assert!(fine, "POST {path} {bad}: {}", answer.body);
                let forms = [(MERGE, "?dryRun=All"), (APPLY, "?fieldManager=m&force=true&dryRun=All")];
                let (media, query) = forms[at % 2];
                let done = server.api.ask(Method::PATCH, &format!("{path}/{name}{query}"), media, bad.to_string()).await;
                let patched = done.unwrap_or_else(|error| panic!("{media} {path} {bad}: {error}"));
                assert!(patched.code < 500 || is_plain(&patched.body), "{media} {path} {bad}: {}", patched.body);
                if answer.code == 201 && path == MAPS {
                    let free = json!({"metadata": {"finalizers": null}});
                    let name = answer.body["metadata"]["name"].as_str().unwrap();
                    server.api.patch(&format!("{path}/{name}"), MERGE, &free).await;
                    server.api.delete(&format!("{path}/{name}")).await;
                }
            }
        }
        server.api.get(path).await.ok();
    }
    server.api.get("/api/v1/namespaces/default").await.ok();
    server.stop().await;
}

/// Whether it is one of the refusals for which a real server, too, has the code 500 and no reason: they are about versions, and about what is applied.
fn is_plain(status: &Value) -> bool {
    status["reason"].is_null()
        && ["resourceVersion", "strconv", "failed to create typed patch object"]
            .iter()
            .any(|word| status["message"].as_str().unwrap().starts_with(word))
}

/// The JSON pointers of all that is in a value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut add = |key: &str, value: &Value| {
        let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(here.clone());
        places(value, &here, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| add(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| add(&at.to_string(), value)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_mistakes_at_once_cost_little_and_are_told_in_short() {
    let server = Embedded::start().await;
    server.define_things().await;
    let things = "/apis/example.com/v1/namespaces/default/things";
    let (long, many) = ("k".repeat(1 << 20), 100_000);
    let unknown = (0..many).fold(String::new(), |all, n| all + &format!("\"f{n}\":1,"));
    let twice = "\"a\":1,".repeat(many);
    let start = "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"x\"}";
    for body in [
        format!("{start},{unknown}\"spec\":{{}}}}"),
        format!("{start},{twice}\"spec\":{{}}}}"),
        format!("{start},\"{long}\":{{{twice}\"b\":1}}}}"),
        format!("{start},\"spec\":{{\"{long}\":{{{unknown}\"b\":1}}}}}}"),
        format!("{start},\"{long}\":{{{unknown}\"b\":1}}}}"),
    ] {
        for query in ["?dryRun=All", "?fieldValidation=Strict"] {
            let begin = Instant::now();
            let answer = server.api.ask(Method::POST, &format!("{things}{query}"), JSON, body.clone()).await.unwrap();
            assert!([201, 400, 413].contains(&answer.code), "{:.300}", answer.body.to_string());
            let warnings = answer.headers.get_all("warning").iter();
            let told: usize = warnings.map(axum::http::HeaderValue::len).sum();
            assert!(told < 16 << 10, "{told} bytes of warnings");
            assert!(begin.elapsed() < Duration::from_secs(30), "{:?} for {body:.200}", begin.elapsed());
        }
    }
    server.api.get("/readyz").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_name_nothing_are_answered_in_kind() {
    let server = Embedded::start().await;
    server.define_things().await;
    server.api.post(MAPS, &map("x", "")).await.ok();
    let long = "a".repeat(60_000);
    for path in [
        "/",
        "//",
        "/api/",
        "/api/v1/",
        "/api/v2/configmaps",
        "/api/v1//configmaps",
        "/apis/example.com",
        "/apis/example.com/v1",
        "/apis/example.com/v2/things",
        "/apis/none.example.com/v1/things",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces//configmaps",
        "/api/v1/namespaces/default/configmaps/",
        "/api/v1/namespaces/default/configmaps/x/y/z",
        "/api/v1/namespaces/default/configmaps/none",
        "/api/v1/namespaces/default/configmaps/x/status",
        "/api/v1/namespaces/default/configmaps/%00",
        "/api/v1/namespaces/default/configmaps/%ff%fe",
        "/api/v1/namespaces/default/configmaps/%2e%2e",
        "/api/v1/namespaces/default/configmaps/../../../../etc/passwd",
        "/api/v1/%",
        "/api/v1/%zz",
        "/api/v1/namespaces/default/configmaps/a%2Fb",
        "/api/v1/namespaces/%2e%2e%2f/configmaps/x",
        "/../../etc/passwd",
        "/openapi/v3/none",
        "/metrics",
        "/api/v1/namespaces/default/things",
        "/api/v1/configmaps/x",
        "/api/v1/namespaces/default/namespaces/default",
        "/livez/none",
        "*",
        "/apis/;/?#",
    ] {
        let (_, text) = raw(&server.api.url, &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"), &[], 0).await;
        let code = text.split(' ').nth(1).unwrap_or_default();
        let discovery = ["/api/", "/api/v1/", "/apis/example.com", "/apis/example.com/v1"].contains(&path);
        assert!(["404", "400"].contains(&code) || (discovery && code == "200"), "{path}: {text}");
    }
    let (_, text) =
        raw(&server.api.url, &format!("GET /api/v1/namespaces/default/configmaps/{long} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"), &[], 0)
            .await;
    assert!(["404", "414", "431"].contains(&text.split(' ').nth(1).unwrap_or_default()), "{text:.100}");
    for bytes in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let (_, text) = raw(&server.api.url, bytes, &[], 0).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.1 5"), "{text}");
    }

    let object = format!("{MAPS}/x");
    for (method, path, code) in [
        (Method::POST, object.as_str(), 405),
        (Method::OPTIONS, MAPS, 405),
        (Method::TRACE, &object, 405),
        (Method::DELETE, "/api/v1/namespaces/default/configmaps/none", 404),
        (Method::DELETE, "/apis", 405),
        (Method::POST, "/version", 405),
        (Method::POST, "/api/v1/configmaps", 405),
        (Method::GET, "/api/v1/namespaces/default/configmaps/x/scale", 501),
        (Method::POST, "/api/v1/namespaces/default/serviceaccounts/default/token", 501),
        (Method::GET, "/api/v1/namespaces/default/secrets/x/none", 404),
        (Method::PUT, "/apis/example.com/v1/namespaces/default/things/x/scale", 501),
    ] {
        let answer = server.api.send(method.clone(), path, &map("x", "")).await;
        assert!(!answer.refusal(code).is_empty(), "{method} {path}");
    }
    for method in [Method::PUT, Method::PATCH] {
        let answer = server.api.ask(method, MAPS, MERGE, "{}").await.unwrap();
        assert!([400, 405].contains(&answer.code) && answer.body["kind"] == "Status", "{}", answer.body);
    }
    let brew = server.api.send(Method::from_bytes(b"BREW").unwrap(), MAPS, &Value::Null).await;
    brew.refusal(405);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_make_no_sense_are_answered_with_what_is_wrong() {
    let server = Embedded::start().await;
    server.api.post(MAPS, &map("x", "")).await.ok();
    for query in [
        "limit=x",
        "limit=1e9",
        "resourceVersion=x",
        "resourceVersion=-1",
        "labelSelector=%3D%3D",
        "labelSelector=a%20in%20(",
        "fieldSelector=spec.none%3Dx",
        "fieldSelector=%3D",
        "continue=%00",
        "continue=bm90IEpTT04",
        "continue=e30",
        "resourceVersionMatch=Sometimes",
        "sendInitialEvents=true",
        "watch=1&timeoutSeconds=x",
        "watch=1&sendInitialEvents=true",
        "watch=1&resourceVersionMatch=Exact",
        "watch=1&resourceVersion=x",
    ] {
        let answer = server.api.get(&format!("{MAPS}?{query}")).await;
        assert!([400, 422, 403].contains(&answer.code) && answer.body["kind"] == "Status", "{query}: {}", answer.body);
        assert!(!answer.body["message"].as_str().unwrap_or_default().is_empty(), "{query}");
    }
    for query in [
        "limit=9223372036854775807",
        "limit=0",
        "limit=1",
        "=",
        "&&&",
        "%",
        "%00=%00",
        "labelSelector=",
        "pretty=true",
        "labelSelector=a",
        "labelSelector=!a,b!%3Dc,d%20notin%20(e)",
        "fieldSelector=metadata.name%3Dx",
        "timeoutSeconds=5",
        "resourceVersion=0",
    ] {
        assert!(server.api.get(&format!("{MAPS}?{query}")).await.ok()["items"].is_array(), "{query}");
    }
    // The longest times that can be asked for.
    for seconds in ["9223372036854775807", "4294967296"] {
        let mut events = server.api.watch(MAPS, &format!("timeoutSeconds={seconds}")).await;
        assert_eq!(events.event().await.0, "ADDED", "{seconds}");
    }
    // A list of a version that is yet to come.
    server.api.get(&format!("{MAPS}?resourceVersion=18446744073709551615")).await.refusal(504);
    for (query, word) in [("dryRun=Some", "dryRun"), ("fieldValidation=Some", "fieldValidation"), ("fieldManager=%00", "fieldManager")] {
        assert!(server.api.post(&format!("{MAPS}?{query}"), &map("y", "")).await.refusal(422).contains(word));
    }
    server.stop().await;
}
