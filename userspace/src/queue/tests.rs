//! Tests of the queue: order, ageing, merging, and that nothing is lost without being given back.

use super::*;

type Words = Vec<&'static str>;

fn queue(capacity: usize) -> (Queue<Words>, Arc<Metrics>) {
    let metrics = Metrics::new();
    (Queue::new("cases", capacity, Words::extend, &metrics), metrics)
}

fn entry(fingerprint: &str, priority: u32, word: &'static str) -> QueueEntry<Words> {
    QueueEntry { fingerprint: fingerprint.into(), priority, item: vec![word] }
}

fn add(queue: &Queue<Words>, word: &'static str, priority: u32) {
    assert_eq!(queue.push(entry(word, priority, word)), Pushed::Queued);
}

async fn pop_all(queue: &Queue<Words>) -> String {
    let mut out = Vec::new();
    while !queue.is_empty() {
        out.push(queue.pop().await.unwrap().join("+"));
    }
    out.join(" ")
}

#[tokio::test(start_paused = true)]
async fn pops_by_priority_then_by_arrival() {
    for (pushes, want) in [
        (&[("a", 1), ("b", 1), ("c", 1)][..], "a b c"),
        (&[("a", 1), ("b", 3), ("c", 2), ("d", 3)], "b d c a"),
        (&[("a", 1), ("b", 2), ("a", 9)], "a+a b"),
        (&[("a", 5), ("b", 2), ("a", 0)], "a+a b"),
        (&[("a", 1), ("b", 1), ("a", 1)], "a+a b"),
        (&[("a", u32::MAX), ("b", 0)], "a b"),
    ] {
        let (queue, _) = queue(8);
        for &(name, priority) in pushes {
            let pushed = queue.push(entry(name, priority, name));
            assert!(matches!(pushed, Pushed::Queued | Pushed::Merged), "{pushed:?}");
        }
        assert_eq!(pop_all(&queue).await, want, "{pushes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_raises_the_priority_until_nothing_starves() {
    for (waited_s, want) in [(9, "new old"), (10, "old new"), (11, "old new")] {
        let (queue, _) = queue(8);
        assert_eq!(queue.push(entry("old", 0, "old")), Pushed::Queued);
        tokio::time::advance(AGEING * waited_s).await;
        assert_eq!(queue.push(entry("new", 10, "new")), Pushed::Queued);
        assert_eq!(pop_all(&queue).await, want, "after {waited_s} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_gives_back_the_least_important() {
    let (queue, metrics) = queue(2);
    assert_eq!(queue.push(entry("a", 5, "a")), Pushed::Queued);
    assert_eq!(queue.push(entry("b", 5, "b")), Pushed::Queued);
    // Age does not protect from eviction: an hour-old entry still yields to a more severe one.
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(queue.push(entry("c", 5, "c")), Pushed::Refused(entry("c", 5, "c")));
    assert_eq!(queue.push(entry("b", 1, "b2")), Pushed::Merged);
    assert_eq!(
        queue.push(entry("d", 6, "d")),
        Pushed::Evicted(QueueEntry { fingerprint: "b".into(), priority: 5, item: vec!["b", "b2"] })
    );
    assert_eq!(queue.push(entry("e", 7, "e")), Pushed::Evicted(entry("a", 5, "a")));
    let text = metrics.render();
    for line in [
        r#"queue_depth{queue="cases"} 2"#,
        r#"queue_evicted_total{queue="cases"} 2"#,
        r#"turned_away_total{limit="cases"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert_eq!(pop_all(&queue).await, "e d");
    assert!(metrics.render().contains(r#"queue_depth{queue="cases"} 0"#));
}

#[tokio::test(start_paused = true)]
async fn a_popper_wakes_for_a_push_from_a_plain_thread() {
    let (queue, _) = queue(8);
    let popper = tokio::spawn({
        let queue = queue.clone();
        async move { queue.pop().await }
    });
    tokio::task::yield_now().await;
    let pushed = std::thread::spawn(move || queue.push(entry("a", 1, "a"))).join().unwrap();
    assert_eq!(pushed, Pushed::Queued);
    assert_eq!(popper.await.unwrap(), Some(vec!["a"]));
}

#[tokio::test(start_paused = true)]
async fn two_pushes_wake_two_poppers() {
    let (queue, _) = queue(8);
    let popper = |queue: Queue<Words>| tokio::spawn(async move { queue.pop().await });
    let (first, second) = (popper(queue.clone()), popper(queue.clone()));
    tokio::task::yield_now().await;
    add(&queue, "a", 1);
    add(&queue, "b", 1);
    let mut got = [first.await.unwrap(), second.await.unwrap()];
    got.sort();
    assert_eq!(got, [Some(vec!["a"]), Some(vec!["b"])]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_refuses_and_ends_when_it_is_empty() {
    let (queue, _) = queue(8);
    add(&queue, "a", 1);
    queue.close();
    assert_eq!(queue.push(entry("b", 9, "b")), Pushed::Refused(entry("b", 9, "b")));
    assert_eq!(queue.pop().await, Some(vec!["a"]));
    assert_eq!(queue.pop().await, None);

    let (queue, _) = self::queue(8);
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.pop().await }
    });
    tokio::task::yield_now().await;
    queue.close();
    assert_eq!(waiting.await.unwrap(), None);
}

#[test]
fn draining_takes_everything_in_order_of_arrival() {
    let (queue, _) = queue(8);
    add(&queue, "a", 1);
    add(&queue, "b", 2);
    assert_eq!(queue.drain(), [entry("a", 1, "a"), entry("b", 2, "b")]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_can_be_taken_at_once_in_the_same_order() {
    let metrics = Metrics::new();
    let queue: Queue<u32> = Queue::new("test", 9, |_, _| {}, &metrics);
    for (item, priority) in [(1, 5), (2, 9), (3, 5), (4, 1)] {
        let entry = QueueEntry { fingerprint: item.to_string(), priority, item };
        assert_eq!(queue.push(entry), Pushed::Queued);
    }
    for (most, want) in [(0, vec![]), (3, vec![2, 1, 3]), (9, vec![4]), (9, vec![])] {
        assert_eq!(queue.take(most), want, "and it does not wait");
    }
}
