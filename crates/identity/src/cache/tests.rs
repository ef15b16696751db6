#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use tokio::sync::Notify;

use super::*;

fn object(name: &str) -> Object {
    Object { kind: "GitRepository", namespace: "reservoirs".to_owned(), name: name.to_owned() }
}

fn token(life: TimeDelta) -> Token {
    Token { secret: "t".to_owned(), expires: Utc::now() + life, ..Token::default() }
}

/// A provider that counts what it is asked.
#[derive(Default)]
struct Provider(AtomicUsize);

impl Provider {
    async fn gives(&self, life: TimeDelta) -> Result<Token, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok(token(life))
    }

    fn asked(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

const HOUR: TimeDelta = TimeDelta::hours(1);

#[tokio::test]
async fn tokens_are_kept_for_most_of_their_life() {
    let (cache, provider, object) = (Cache::new(10, LONGEST), Provider::default(), object("upper"));
    let life = TimeDelta::seconds(2);
    cache.get("a", &object, provider.gives(life)).await.unwrap();
    cache.get("a", &object, provider.gives(life)).await.unwrap();
    assert_eq!(provider.asked(), 1);
    // Past 80 %, before the end.
    tokio::time::sleep(Duration::from_millis(1700)).await;
    cache.get("a", &object, provider.gives(life)).await.unwrap();
    assert_eq!(provider.asked(), 2);
    let events = Events { hits: 1, misses: 2 };
    let counts = Counts { items: 1, succeeded: 3, events: [(object.clone(), events)].into(), ..Counts::default() };
    assert_eq!(cache.counts(), Some(counts));
    cache.forget(&object);
    assert_eq!(cache.counts().unwrap().events, BTreeMap::new());
}

#[tokio::test]
async fn no_token_is_kept_longer_than_set_nor_than_an_hour() {
    let (cache, provider, object) = (Cache::new(10, Duration::from_millis(100)), Provider::default(), object("upper"));
    cache.get("a", &object, provider.gives(HOUR)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    cache.get("a", &object, provider.gives(HOUR)).await.unwrap();
    assert_eq!(provider.asked(), 2);
    assert_eq!(Cache::new(1, Duration::from_hours(9)).0.longest, LONGEST);
    // A life without end is no trouble.
    let endless = async { Ok(Token { expires: DateTime::<Utc>::MAX_UTC, ..token(HOUR) }) };
    cache.get("b", &object, endless).await.unwrap();
    assert_eq!(cache.counts().unwrap().items, 2);
}

#[tokio::test]
async fn the_token_not_used_for_longest_gives_way() {
    let (cache, provider, object) = (Cache::new(2, LONGEST), Provider::default(), object("upper"));
    for key in ["a", "b", "a", "c", "a"] {
        cache.get(key, &object, provider.gives(HOUR)).await.unwrap();
    }
    assert_eq!(provider.asked(), 3);
    cache.get("b", &object, provider.gives(HOUR)).await.unwrap();
    assert_eq!(provider.asked(), 4);
    let counts = cache.counts().unwrap();
    assert_eq!((counts.items, counts.evicted), (2, 2));
}

#[tokio::test]
async fn with_no_room_nothing_is_kept_or_counted() {
    let (cache, provider, object) = (Cache::new(0, LONGEST), Provider::default(), object("upper"));
    cache.get("a", &object, provider.gives(HOUR)).await.unwrap();
    cache.get("a", &object, provider.gives(HOUR)).await.unwrap();
    assert_eq!(provider.asked(), 2);
    assert_eq!(cache.counts(), None);
}

#[tokio::test]
async fn many_at_once_cost_one_request_a_key() {
    let (cache, provider) = (Cache::new(10, LONGEST), Provider::default());
    let slow = async |key: &'static str, object: Object| {
        let new = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            provider.gives(HOUR).await
        };
        cache.get(key, &object, new).await.unwrap();
    };
    let all = (0..40).map(|i| slow(if i % 2 == 0 { "a" } else { "b" }, object(&i.to_string())));
    futures::future::join_all(all).await;
    assert_eq!(provider.asked(), 2);
    let state = cache.0.state();
    assert!(state.under_way.is_empty());
    assert_eq!(state.counts.events.values().map(|events| events.hits).sum::<u64>(), 38);
}

#[tokio::test]
async fn those_who_wait_share_a_failure_and_the_next_tries_anew() {
    let (cache, provider, object) = (Cache::new(10, LONGEST), Provider::default(), object("upper"));
    let failing = || async {
        provider.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(Error::new("down"))
    };
    let ended = futures::future::join_all((0..10).map(|_| cache.get("a", &object, failing()))).await;
    assert!(ended.iter().all(|end| end.as_ref().is_err_and(|error| error.to_string() == "down")));
    assert_eq!(provider.asked(), 1);
    cache.get("a", &object, provider.gives(HOUR)).await.unwrap();
    assert_eq!(provider.asked(), 2);
    let counts = cache.counts().unwrap();
    assert_eq!((counts.items, counts.succeeded, counts.failed), (1, 1, 10));
}

#[tokio::test]
async fn who_is_dropped_leaves_the_request_to_the_next() {
    let (cache, provider, object) = (Cache::new(10, LONGEST), Provider::default(), object("upper"));
    let begun = Notify::new();
    let stuck = cache.get("a", &object, async {
        begun.notify_one();
        std::future::pending().await
    });
    let waiting = cache.get("a", &object, provider.gives(HOUR));
    {
        tokio::pin!(stuck);
        tokio::select! {
            _ = &mut stuck => unreachable!("it never ends"),
            () = begun.notified() => {}
        }
        assert_eq!(cache.0.state().under_way.len(), 1);
        tokio::select! {
            biased;
            _ = &mut stuck => unreachable!("it never ends"),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    waiting.await.unwrap();
    assert_eq!(provider.asked(), 1);
    assert!(cache.0.state().under_way.is_empty());
}
