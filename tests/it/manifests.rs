//! A folder of manifests, and what is on the server because of it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use headwater_testing::git::Repository;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::standalone::{Standalone, file_url, map, source};

const WIDGETS: &str = "/apis/example.com/v1/namespaces/deep/widgets";

/// Everything that needs something else comes before it.
const BACKWARDS: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: deep}
spec: {size: 3}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: inside, namespace: deep}
data: {key: one}
---
# Nothing but a comment.
---
apiVersion: v1
kind: Namespace
metadata: {name: deep}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, maximum: 9}}}
";

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

/// The lines of the log that tell of a failure.
fn failures(server: &Standalone) -> Vec<String> {
    server.log().lines().filter(|line| line.contains("\tERROR\t")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_folders_many_documents_and_json_come_about_in_an_order_that_works() {
    let mut server = Standalone::new(&[]);
    server.write("a/b/c/all.yaml", BACKWARDS);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}, "data": {"key": "from json"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json2", "namespace": "deep"}, "data": {"key": "x"}},
    ]});
    server.write("0/list.json", &format!("{list:#}"));
    server.write("a/ends.yml", &map("yml", "1"));
    for other in ["readme.md", ".hidden.yaml", "a/x.yaml~", "a/.git/x.yaml"] {
        server.write(other, "{");
    }
    server.start().await;
    server.has("json", "from json").await;
    server.has("yml", "1").await;
    server.until(&format!("{WIDGETS}/w"), "there", |widget| widget["spec"]["size"] == 3).await;
    server.until("/api/v1/namespaces/deep/configmaps/inside", "there", |map| map["data"]["key"] == "one").await;
    server.until("/api/v1/namespaces/deep/configmaps/json2", "there", |map| map["data"]["key"] == "x").await;
    assert_eq!(failures(&server), Vec::<String>::new());

    // All of it goes as well, what is inside first.
    server.remove("a/b/c/all.yaml");
    server.until("/api/v1/namespaces/deep", "gone", Value::is_null).await;
    server.until("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com", "gone", Value::is_null).await;
    server.has("json", "from json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_change_is_applied_soon() {
    let server = Standalone::started().await;
    server.write("m.yaml", &map("m", "0"));
    let first = server.has("m", "0").await;
    let mut took = Vec::new();
    for round in 1..=5 {
        let start = Instant::now();
        if round % 2 == 0 {
            // As editors save: a new file takes the place of the old one.
            let new = server.write("m.yaml.tmp", &map("m", &round.to_string()));
            fs::rename(new, server.manifests.join("m.yaml")).unwrap();
        } else {
            server.write("m.yaml", &map("m", &round.to_string()));
        }
        let now = server.has("m", &round.to_string()).await;
        assert_eq!(uid(&now), uid(&first));
        took.push(start.elapsed());
    }
    // A folder that is new, and a file in it.
    let start = Instant::now();
    server.write("new/folder/n.yaml", &map("other", "1"));
    server.has("other", "1").await;
    took.push(start.elapsed());
    eprintln!("from saving to applied: {took:?}");
    assert!(took.iter().all(|took| *took < Duration::from_secs(30)), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_is_pruned_and_what_others_applied_is_not() {
    let server = Standalone::started().await;
    server.write("two.yaml", &format!("{}---\n{}", map("one", "1"), map("two", "2")));
    server.write("file.yaml", &map("three", "3"));
    let one = server.has("one", "1").await;
    server.has("two", "2").await;
    server.has("three", "3").await;
    // One of someone else, and one with all the labels of ours.
    server.create_map(&json!({"metadata": {"name": "other"}, "data": {"key": "x"}})).await;
    server.create_map(&json!({"metadata": {"name": "copied", "labels": one["metadata"]["labels"]}, "data": {"key": "x"}})).await;
    let others = [server.has("other", "x").await, server.has("copied", "x").await];

    server.write("two.yaml", &map("two", "2"));
    server.has_not("one").await;
    server.remove("file.yaml");
    server.has_not("three").await;
    server.logged(&["ConfigMap default/three", "pruned"]).await;
    server.remove("two.yaml");
    server.has_not("two").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!([server.map("other").await.unwrap(), server.map("copied").await.unwrap()], others);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_file_is_told_and_neither_stops_others_nor_undoes_anything() {
    let server = Standalone::started().await;
    let bad = server.write("bad.yaml", &format!("{}---\n{}", map("kept", "1"), map("also", "1")));
    server.write("z.yaml", &map("z", "1"));
    let kept = server.has("kept", "1").await;
    server.has("z", "1").await;
    server.has("also", "1").await;
    // Line 3 opens what nobody closes.
    fs::write(&bad, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept\ndata:\n  key: \"2\"\n").unwrap();
    server.write("z.yaml", &map("z", "2"));
    server.has("z", "2").await;
    let line = server.logged(&[&format!("{}:", bad.display())]).await;
    let at: usize = line.split(&format!("{}:", bad.display())).nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert!((3..=6).contains(&at), "{line}");
    // The last good state stands, and nothing is told twice.
    server.write("new.yaml", &map("new", "1"));
    server.has("new", "1").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.map("kept").await.unwrap(), kept);
    assert!(server.map("also").await.is_some());
    assert_eq!(failures(&server).len(), 1, "{}", server.log());

    fs::write(&bad, map("kept", "3")).unwrap();
    let mended = server.has("kept", "3").await;
    assert_eq!(uid(&mended), uid(&kept));
    server.has_not("also").await;
    server.logged(&[&bad.display().to_string(), "no longer fails"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told_with_its_place() {
    let server = Standalone::started().await;
    let wrong = source("wrong", "https://example.com/r.git").replace("1h", "nonsense");
    let file = server.write("refused.yaml", &format!("{}---\n{wrong}---\n{}", map("before", "1"), map("after", "1")));
    server.has("before", "1").await;
    server.has("after", "1").await;
    server.logged(&[&format!("{}:8:", file.display()), "GitRepository default/wrong", "spec.interval"]).await;
    let unknown = server.write("unknown.yaml", "apiVersion: no.example/v1\nkind: Nothing\nmetadata: {name: x}\n");
    server.logged(&[&format!("{}:1:", unknown.display()), "Nothing", "no.example/v1"]).await;
    let homeless = server.write("homeless.yaml", &map("x", "1").replace("name: x", "name: x\n  namespace: nowhere"));
    server.logged(&[&format!("{}:1:", homeless.display()), "nowhere"]).await;
    let misspelt = server.write("misspelt.yaml", &source("misspelt", "https://example.com/r.git").replace("ref:", "reff:"));
    server.logged(&[&format!("{}:1:", misspelt.display()), "spec.reff"]).await;

    fs::write(&file, format!("{}---\n{}", map("before", "1"), map("after", "1"))).unwrap();
    server.logged(&["GitRepository default/wrong", "no longer fails"]).await;
    // A namespace that comes about later mends what waits for it, at once.
    let start = Instant::now();
    server.write("namespace.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: nowhere}}\n");
    server.until("/api/v1/namespaces/nowhere/configmaps/x", "there", |map| map["data"]["key"] == "1").await;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_half_written_is_waited_for() {
    let server = Standalone::started().await;
    let text = |file: usize, round: usize| {
        format!("{}---\n{}", map(&format!("a{file}"), &round.to_string()), map(&format!("b{file}"), &round.to_string()))
    };
    let names: Vec<_> = (0..10).flat_map(|file| [format!("a{file}"), format!("b{file}")]).collect();
    for file in 0..10 {
        server.write(&format!("{file}.yaml"), &text(file, 0));
    }
    let mut before = Vec::new();
    for name in &names {
        before.push(server.has(name, "0").await);
    }
    let mut slow = false;
    for round in 1..=5 {
        let start = Instant::now();
        let mut open = Vec::new();
        for file in 0..10_usize {
            let text = text(file, round);
            // Cut anywhere, and each fifth one just where a document ends.
            let cut = if file % 5 == 0 { text.find("---").unwrap() } else { (round * 10 + file) * 131 % text.len() };
            let mut half = fs::File::create(server.manifests.join(format!("{file}.yaml"))).unwrap();
            half.write_all(&text.as_bytes()[..cut]).unwrap();
            open.push((half, text, cut));
        }
        sleep(Duration::from_millis(100)).await;
        for (mut half, text, cut) in open {
            half.write_all(&text.as_bytes()[cut..]).unwrap();
        }
        // On a machine that is too busy the writer may take so long that what it left is believed.
        slow = slow || start.elapsed() > Duration::from_millis(140);
        for (name, before) in names.iter().zip(&before) {
            assert_eq!(uid(&server.has(name, &round.to_string()).await), uid(before), "{}", server.log());
        }
    }
    assert!(slow || failures(&server).is_empty(), "{:?}", failures(&server));

    // Written again and again without a pause: half of it may be applied, and still nothing is deleted.
    for round in 6..=30 {
        let text = text(0, round);
        let cut = if round % 3 == 0 { text.find("---").unwrap() } else { round * 131 % text.len() };
        let mut half = fs::File::create(server.manifests.join("0.yaml")).unwrap();
        half.write_all(&text.as_bytes()[..cut]).unwrap();
        sleep(Duration::from_millis(100)).await;
        half.write_all(&text.as_bytes()[cut..]).unwrap();
    }
    for (name, before) in ["a0", "b0"].iter().zip(&before) {
        assert_eq!(uid(&server.has(name, "30").await), uid(before), "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_a_circle_come_to_an_end() {
    let mut server = Standalone::new(&[]);
    server.write("a/m.yaml", &map("m", "1"));
    symlink("..", server.manifests.join("a/up")).unwrap();
    symlink(".", server.manifests.join("self")).unwrap();
    symlink("ring2", server.manifests.join("ring1")).unwrap();
    symlink("ring1", server.manifests.join("ring2")).unwrap();
    symlink(server.manifests.join("a"), server.manifests.join("b")).unwrap();
    let outside = server.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("o.yaml"), map("o", "1")).unwrap();
    symlink(&outside, server.manifests.join("linked")).unwrap();
    symlink("gone.yaml", server.manifests.join("dangling.yaml")).unwrap();
    server.start().await;
    let one = server.has("m", "1").await;
    server.has("o", "1").await;
    assert!(failures(&server).iter().all(|line| !line.contains("already")), "{:?}", failures(&server));
    server.write("a/m.yaml", &map("m", "2"));
    assert_eq!(uid(&server.has("m", "2").await), uid(&one));
    fs::write(outside.join("o.yaml"), map("o", "2")).unwrap();
    server.has("o", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_for_a_moment_keeps_its_object() {
    let server = Standalone::started().await;
    let path = server.write("m.yaml", &map("m", "1"));
    let object = server.has("m", "1").await;
    for gap in [1, 20, 50, 80, 100, 120, 150] {
        let start = Instant::now();
        fs::remove_file(&path).unwrap();
        sleep(Duration::from_millis(gap)).await;
        fs::write(&path, map("m", "1")).unwrap();
        assert!(start.elapsed() < Duration::from_millis(300), "this machine is too busy to tell");
        sleep(Duration::from_millis(400)).await;
        assert_eq!(server.map("m").await.unwrap(), object, "gone for {gap} ms: {}", server.log());
    }
    // From one file into another.
    fs::rename(&path, server.manifests.join("other.yaml")).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.map("m").await.unwrap(), object, "{}", server.log());
    assert!(!server.log().contains("pruned"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_with_the_same_object_the_first_counts() {
    let server = Standalone::started().await;
    let one = server.write("one.yaml", &map("m", "one"));
    let first = server.has("m", "one").await;
    let two = server.write("two.yaml", &format!("\n\n{}", map("m", "two")));
    let line = server.logged(&[&format!("{}:1", one.display()), &format!("{}:3", two.display())]).await;
    assert!(line.contains("ConfigMap default/m"), "{line}");
    sleep(Duration::from_millis(500)).await;
    assert_eq!(server.map("m").await.unwrap(), first);
    // When it is gone, the second one is the object's home.
    server.remove("one.yaml");
    assert_eq!(uid(&server.has("m", "two").await), uid(&first));
    server.logged(&[&format!("{}:3", two.display()), "no longer fails"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_is_not_in_the_log() {
    let mut server = Standalone::new(&["--log-level=trace"]);
    let secret = |name: &str, data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n{data}\n");
    server.write("good.yaml", &secret("good", "stringData:\n  password: swordfish-one"));
    server.write("base64.yaml", &secret("base64", "data:\n  password: swordfish-two!"));
    server.write("shape.yaml", &secret("shape", "data: swordfish-three"));
    server.write("list.yaml", &secret("list", "stringData:\n  password: [swordfish-four]"));
    server.write("syntax.yaml", &secret("syntax", "stringData:\n  password: swordfish-five: swordfish-six\n   x: 'swordfish-seven"));
    server.write("twice.yaml", &secret("twice", "stringData:\n  swordfish-eight: a\n  swordfish-eight: b"));
    server.write("lines.yaml", &secret("lines", r#"data: {password: "swordfish-eleven\nswordfish-twelve \"swordfish-13"}"#));
    server.write("field.yaml", &secret("field", "swordfish: swordfish-nine\ntype: 7"));
    server.write("other.yaml", "swordfish-ten\n");
    server.start().await;
    server.until("/api/v1/namespaces/default/secrets/good", "there", |secret| secret["data"]["password"].is_string()).await;
    for file in ["base64", "shape", "list", "syntax", "twice", "lines", "other"] {
        server.logged(&[&format!("{}:", server.manifests.join(format!("{file}.yaml")).display())]).await;
    }
    let log = server.log();
    let found: Vec<_> = log.lines().filter(|line| line.contains("swordfish-") && !line.contains("swordfish-eight")).collect();
    assert!(found.is_empty(), "{found:#?}");
    assert!(!log.contains("c3dvcmRmaXNo"), "in base64");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_takes_nothing_with_it() {
    let server = Standalone::started().await;
    server.write("a/m.yaml", &map("m", "1"));
    server.write("n.yaml", &map("other", "1"));
    let (m, n) = (server.has("m", "1").await, server.has("other", "1").await);
    let away = server.folder.path().join("away");
    for round in 0..2 {
        fs::rename(&server.manifests, &away).unwrap();
        let folder = server.manifests.display().to_string();
        server.logged(&["\tERROR\t", &folder]).await;
        sleep(Duration::from_millis(500)).await;
        assert_eq!((server.map("m").await.unwrap(), server.map("other").await.unwrap()), (m.clone(), n.clone()), "round {round}");
        fs::rename(&away, &server.manifests).unwrap();
        server.logged(&[&folder, "no longer fails"]).await;
    }
    // It is watched again.
    let start = Instant::now();
    server.write("a/m.yaml", &map("m", "2"));
    assert_eq!(uid(&server.has("m", "2").await), uid(&m));
    server.remove("n.yaml");
    server.has_not("other").await;
    eprintln!("watched again: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_nothing_again_and_prunes_what_was_removed_meanwhile() {
    let mut server = Standalone::new(&[]);
    let repository = server.folder.path().join("r.git");
    let commit = Repository::init(&repository).commit(&[("a.yaml", "a: 1\n")]);
    server.write("x.yaml", &source("x", &file_url(&repository)));
    server.write("m.yaml", &format!("{}---\n{}", map("m", "1"), map("other", "1")));
    server.write("deep.yaml", BACKWARDS);
    server.start().await;
    let before = server.ready("x", &commit).await;
    let map_before = server.has("m", "1").await;
    let widget = server.until(&format!("{WIDGETS}/w"), "there", |widget| widget["spec"]["size"] == 3).await;
    for kill in [true, false] {
        if kill {
            server.kill();
        } else {
            assert_eq!(server.stop("-TERM").await.code(), Some(0));
        }
        // What tells that the first pass is over.
        let marker = format!("marker-{kill}").to_lowercase();
        server.write(&format!("{marker}.yaml"), &map(&marker, "1"));
        server.start().await;
        server.has(&marker, "1").await;
        sleep(Duration::from_millis(500)).await;
        assert_eq!(server.source("x").await.unwrap(), before);
        assert_eq!(version(&server.map("m").await.unwrap()), version(&map_before));
        assert_eq!(version(&server.get(&format!("{WIDGETS}/w")).await.unwrap()), version(&widget));
    }
    server.kill();
    server.write("m.yaml", &map("m", "1"));
    server.remove("deep.yaml");
    server.start().await;
    server.has_not("other").await;
    server.until("/api/v1/namespaces/deep", "gone", Value::is_null).await;
    assert_eq!(version(&server.map("m").await.unwrap()), version(&map_before));
    // Told by the server, not by chance: nothing was fetched or written again.
    assert_eq!(server.source("x").await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_volume_is_followed_when_it_is_swapped() {
    let mut server = Standalone::new(&[]);
    let at = |path: &str| server.manifests.join(path);
    for version in ["1", "2"] {
        fs::create_dir(at(&format!("..v{version}"))).unwrap();
        fs::write(at(&format!("..v{version}/m.yaml")), map("m", version)).unwrap();
    }
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/m.yaml", at("m.yaml")).unwrap();
    let swap = [at("..new"), at("..data")];
    server.start().await;
    let first = server.has("m", "1").await;
    let start = Instant::now();
    symlink("..v2", &swap[0]).unwrap();
    fs::rename(&swap[0], &swap[1]).unwrap();
    assert_eq!(uid(&server.has("m", "2").await), uid(&first));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert_eq!(failures(&server), Vec::<String>::new());
}
