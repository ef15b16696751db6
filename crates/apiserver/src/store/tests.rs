#![expect(clippy::unwrap_used, reason = "tests")]

mod faults;

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;

fn key(namespace: &str, name: &str) -> Key {
    Key { resource: "secrets".to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}

fn object(name: &str, data: &str) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

fn value(stored: &Stored) -> Value {
    let value: Value = serde_json::from_slice(&stored.json).unwrap();
    assert_eq!(value["metadata"]["resourceVersion"], stored.version.to_string());
    value
}

fn names(page: &Page) -> Vec<String> {
    page.items.iter().map(|item| value(item)["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn folder(path: &Path) -> Result<Store, OpenError> {
    Store::open(Place::Folder(path.to_owned()))
}

async fn create(store: &Store, name: &str) -> Stored {
    store.write(key("ns", name), None, Some(object(name, "x"))).await.unwrap()
}

#[tokio::test]
async fn a_write_needs_what_it_expects() {
    let store = Store::open(Place::Memory).unwrap();
    assert_eq!((store.version(), store.oldest()), (1, 1));
    let first = create(&store, "a").await;
    assert_eq!((first.version, store.version()), (2, 2));
    let write = |expected, new| store.write(key("ns", "a"), expected, new);
    assert!(matches!(write(None, Some(object("a", "y"))).await, Err(StoreError::Exists)));
    assert!(matches!(write(Some(1), Some(object("a", "y"))).await, Err(StoreError::Conflict { current: Some(2) })));
    assert!(matches!(write(Some(1), None).await, Err(StoreError::Conflict { current: Some(2) })));
    assert!(matches!(write(Some(2), Some(json!({}))).await, Err(StoreError::Failed(_))));
    assert!(matches!(write(Some(2), Some(object("a", &"x".repeat(OBJECT_BYTES)))).await, Err(StoreError::TooLarge { .. })));
    assert!(matches!(store.write(key("ns", "b"), Some(2), None).await, Err(StoreError::NotFound)));
    let second = write(Some(2), Some(object("a", "y"))).await.unwrap();
    assert_eq!((second.version, &value(&second)["data"]), (3, &json!("y")));
    assert_eq!(store.get(&key("ns", "a")).unwrap(), Some(second));
    let last = write(Some(3), None).await.unwrap();
    assert_eq!((last.version, &value(&last)["data"]), (4, &json!("y")));
    assert_eq!(store.get(&key("ns", "a")).unwrap(), None);
    assert_eq!(store.version(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_expect_the_same_one_wins() {
    let store = Store::open(Place::Memory).unwrap();
    for round in 0..20 {
        let expected = store.get(&key("ns", "a")).unwrap().map(|stored| stored.version);
        let mut writers = JoinSet::new();
        for writer in 0..16 {
            let store = store.clone();
            writers.spawn(async move { store.write(key("ns", "a"), expected, Some(object("a", &format!("{writer}")))).await.is_ok() });
        }
        assert_eq!(writers.join_all().await.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(store.version(), round + 2);
    }
}

#[tokio::test]
async fn a_list_goes_on_as_it_was() {
    let store = Store::open(Place::Memory).unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        create(&store, name).await;
    }
    store.write(key("ns2", "a"), None, Some(object("other", ""))).await.unwrap();
    let foreign = Key { resource: "secrets.example.org".to_owned(), ..key("ns", "z") };
    store.write(foreign, None, Some(object("z", ""))).await.unwrap();
    let list = |namespace, range| store.list("secrets", namespace, range);
    let first = list(Some("ns"), Range { limit: Some(2), ..Range::default() }).unwrap();
    assert_eq!((names(&first).join(""), first.remaining, first.version), ("ab".to_owned(), 3, 8));
    assert_eq!(first.next, Some(("ns".to_owned(), "b".to_owned())));
    store.write(key("ns", "c"), Some(4), None).await.unwrap();
    store.write(key("ns", "d"), Some(5), Some(object("d2", ""))).await.unwrap();
    create(&store, "cc").await;
    create(&store, "f").await;
    let rest = Range { at: Some(8), after: first.next, limit: Some(3) };
    let then = list(Some("ns"), rest.clone()).unwrap();
    assert_eq!((names(&then).join(""), then.remaining, then.next, then.version), ("cde".to_owned(), 0, None, 8));
    let now = list(Some("ns"), Range { at: None, ..rest }).unwrap();
    assert_eq!((names(&now).join(""), now.remaining), ("ccd2e".to_owned(), 1));
    assert_eq!(names(&list(None, Range::default()).unwrap()), ["a", "b", "cc", "d2", "e", "f", "other"]);
    assert_eq!(names(&list(None, Range { at: Some(1), ..Range::default() }).unwrap()), [""; 0]);
    assert_eq!(names(&list(Some(""), Range::default()).unwrap()), [""; 0]);
    assert!(matches!(list(None, Range { at: Some(13), ..Range::default() }), Err(StoreError::Future { current: 12 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_sees_all_in_order() {
    let store = Store::open(Place::Memory).unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for index in 0..100 {
                let name = format!("{writer}-{index}");
                let namespace = if index % 2 == 0 { "even" } else { "odd" };
                let written = store.write(key(namespace, &name), None, Some(object(&name, ""))).await.unwrap();
                let foreign = Key { resource: "pods".to_owned(), ..key(namespace, &name) };
                store.write(foreign, None, Some(object(&name, ""))).await.unwrap();
                store.write(key(namespace, &name), Some(written.version), None).await.unwrap();
            }
        });
    }
    let mut watch = store.watch("secrets", Some("odd"), 1).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 800 {
        // Dropped again and again, it loses nothing.
        if let Ok(changes) = tokio::time::timeout(Duration::from_micros(50), watch.next()).await {
            seen.extend(changes.unwrap());
        }
    }
    writers.join_all().await;
    assert!(seen.is_sorted_by(|a, b| a.version < b.version));
    let mut there = BTreeMap::new();
    for change in &seen {
        let before = match &change.new {
            Some(new) => there.insert(change.key.clone(), new.clone()),
            None => there.remove(&change.key),
        };
        assert_eq!((&before, change.object().version), (&change.old, change.version));
        value(change.object());
    }
    assert!(there.is_empty());
    assert!(tokio::time::timeout(Duration::from_millis(20), watch.next()).await.is_err());
    assert_eq!(watch.seen(), store.version());
    assert!(matches!(store.watch("secrets", None, store.version() + 1), Err(StoreError::Future { .. })));
    drop(store);
    assert!(matches!(watch.next().await, Err(StoreError::Failed(_))));
}

/// Adds a change to the history as if it had been written.
fn remember(store: &Store, object: &Bytes) {
    let mut state = store.0.shared.write();
    state.version += 1;
    let version = state.version;
    let object = Stored { version, json: object.clone() };
    state.history.push(Arc::new(Change { version, key: key("ns", "a"), old: None, new: Some(object.clone()), object }));
}

#[tokio::test]
async fn what_is_too_long_ago_is_forgotten() {
    for (size, kept) in [(0, HISTORY_CHANGES as u64), (1 << 20, 63)] {
        let store = Store::open(Place::Memory).unwrap();
        let mut slow = store.watch("secrets", None, 1).unwrap();
        let object = Bytes::from(vec![b' '; size]);
        (0..kept).for_each(|_| remember(&store, &object));
        assert_eq!(store.oldest(), 1);
        remember(&store, &object);
        assert_eq!(store.oldest(), 2);
        assert!(matches!(slow.next().await, Err(StoreError::Compacted { oldest: 2 })));
        let range = Range { at: Some(1), ..Range::default() };
        assert!(matches!(store.list("secrets", None, range), Err(StoreError::Compacted { .. })));
        assert!(matches!(store.watch("secrets", None, 1), Err(StoreError::Compacted { .. })));
        let mut changes = store.watch("secrets", None, 2).unwrap();
        assert_eq!(changes.next().await.unwrap().first().unwrap().version, 3);
    }
}

#[tokio::test]
async fn it_is_there_again_after_it_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = folder(&dir.path().join("new/folder")).unwrap();
    let first = create(&store, "a").await;
    assert!(matches!(folder(&dir.path().join("new/folder")), Err(OpenError::InUse { .. })));
    drop(store);
    let store = folder(&dir.path().join("new/folder")).unwrap();
    assert_eq!((store.version(), store.oldest()), (2, 2));
    assert_eq!(store.get(&key("ns", "a")).unwrap(), Some(first));
    assert_eq!(create(&store, "b").await.version, 3);
    assert!(matches!(store.watch("secrets", None, 1), Err(StoreError::Compacted { oldest: 2 })));
}

#[derive(Debug, Clone)]
enum Step {
    /// Whether to expect what is there, and whether there is something new.
    Write(u8, bool, bool),
    List(Option<u8>, usize, u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => (0..8u8, prop::bool::weighted(0.8), prop::bool::weighted(0.7)).prop_map(|(name, right, new)| Step::Write(name, right, new)),
        9 => (prop::option::of(0..2u8), 1..5usize, 0..12u64).prop_map(|(namespace, limit, back)| Step::List(namespace, limit, back)),
        1 => Just(Step::Reopen),
    ]
}

/// What is there: versions by namespace and name.
type Model = BTreeMap<(String, String), u64>;

async fn follow(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let disk = steps.iter().any(|step| matches!(step, Step::Reopen));
    let place = if disk { Place::Folder(dir.path().to_owned()) } else { Place::Memory };
    let mut store = Store::open(place).unwrap();
    let mut past: BTreeMap<u64, Model> = BTreeMap::from([(1, Model::new())]);
    for step in steps {
        let (version, mut model) = past.last_key_value().map(|(version, model)| (*version, model.clone())).unwrap();
        match step {
            Step::Write(name, right, new) => {
                let place = (format!("n{}", name % 2), format!("o{}", name / 2));
                let there = model.get(&place).copied();
                let expected = if right { there } else { Some(there.unwrap_or_default() + 1) };
                let written = store.write(key(&place.0, &place.1), expected, new.then(|| object(&place.1, ""))).await;
                assert_eq!(written.is_ok(), right && (new || there.is_some()));
                if let Ok(written) = written {
                    assert_eq!(written.version, version + 1);
                    if new {
                        model.insert(place, written.version)
                    } else {
                        model.remove(&place)
                    };
                    past.insert(written.version, model);
                }
            }
            Step::List(namespace, limit, back) => {
                let namespace = namespace.map(|namespace| format!("n{namespace}"));
                let at = version.saturating_sub(back).max(store.oldest());
                let mut range = Range { at: Some(at), after: None, limit: Some(limit) };
                let mut expected =
                    past[&at].iter().filter(|((of, _), _)| namespace.as_ref().is_none_or(|namespace| of == namespace)).peekable();
                loop {
                    let page = store.list("secrets", namespace.as_deref(), range.clone()).unwrap();
                    let items: Vec<_> = page.items.iter().map(|item| item.version).collect();
                    assert_eq!(items, expected.by_ref().take(limit).map(|(_, version)| *version).collect::<Vec<_>>());
                    assert_eq!(page.remaining > 0, expected.peek().is_some());
                    range.after = page.next;
                    if range.after.is_none() {
                        break;
                    }
                }
                assert!(expected.next().is_none());
            }
            Step::Reopen => {
                drop(store);
                store = folder(dir.path()).unwrap();
            }
        }
        assert_eq!(Some(&store.version()), past.keys().last());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_a_map_does(steps in prop::collection::vec(step(), 1..60)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(follow(steps));
    }
}
