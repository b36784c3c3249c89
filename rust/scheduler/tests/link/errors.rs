//! What is refused, by name, and that nothing has changed then.

use honeylink_scheduler::{ClassConfig, LinkError, LinkOptions, LinkScheduler, StreamConfig};

use super::run::{drain, push, take};

fn link() -> LinkScheduler {
    LinkScheduler::new(10_000, LinkOptions::default()).expect("a good link")
}

fn stream(rate_kbps: u64) -> StreamConfig {
    StreamConfig { rate_kbps, ..StreamConfig::default() }
}

fn message<T: core::fmt::Debug>(result: Result<T, LinkError>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn numbers_out_of_range_are_named() {
    let mut link = link();
    let root = link.root();
    let options = |mtu_bytes, memory_bytes| LinkOptions { mtu_bytes, memory_bytes, ..LinkOptions::default() };
    let mut add = |config| message(link.add_stream(root, 0, config));
    let cases = [
        (
            message(LinkScheduler::new(0, LinkOptions::default())),
            "rate_kbps: expected 1 to 1000000000, found 0",
        ),
        (message(LinkScheduler::new(1, options(63, None))), "mtu_bytes: expected 64 to 65535, found 63"),
        (
            message(LinkScheduler::new(1, options(1514, Some(9)))),
            "memory_bytes: expected 1514 to 18446744073709551615, found 9",
        ),
        (
            add(StreamConfig { ceil_kbps: Some(0), ..stream(0) }),
            "ceil_kbps: expected 1 to 1000000000, found 0",
        ),
        (add(StreamConfig { ceil_kbps: Some(5), ..stream(6) }), "rate_kbps: expected 0 to 5, found 6"),
        (add(StreamConfig { weight: Some(0), ..stream(0) }), "weight: expected 1 to 134217728, found 0"),
        (
            add(StreamConfig { queue_packets: 0, ..stream(0) }),
            "queue_packets: expected 1 to 4294967295, found 0",
        ),
        (
            add(StreamConfig { queue_bytes: Some(1), ..stream(0) }),
            "queue_bytes: expected 1514 to 4294967295, found 1",
        ),
        (
            add(StreamConfig { max_delay_us: Some(5), ..stream(0) }),
            "max_delay_us: expected no delay without a rate, found 5",
        ),
        (
            add(StreamConfig { max_delay_us: Some(5), ..stream(1) }),
            "max_delay_us: expected at least 2423, for class 0 to keep it beside the others, found 5",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_batch_with_one_bad_packet_is_refused_whole() {
    let mut link = link();
    let root = link.root();
    let good = link.add_stream(root, 0, stream(0)).unwrap();
    let gone = link.add_stream(root, 0, stream(0)).unwrap();
    link.remove(gone, 0).unwrap();
    let mut enqueue = |streams: &[u32], sizes: &[u32]| {
        let mut drops = vec![9; streams.len()];
        let result = link.enqueue(streams, sizes, 0, &mut drops);
        assert!(drops.iter().all(|&code| code == 9), "nothing was written");
        message(result)
    };
    assert_eq!(enqueue(&[good, good], &[9, 0]), "sizes[1]: expected 1 to 1514, found 0");
    assert_eq!(enqueue(&[good, good], &[1515, 9]), "sizes[0]: expected 1 to 1514, found 1515");
    assert_eq!(enqueue(&[good], &[9, 9]), "sizes: expected 1 entries, found 2");
    assert_eq!(
        enqueue(&[good, gone], &[9, 9]),
        format!("streams[1]: expected a handle of this link that was not removed, found {gone}")
    );
    assert_eq!(enqueue(&[root], &[9]), "streams[0]: expected a stream, found 0, which is a class");
    assert_eq!(link.stats(root).unwrap().enqueued, 0);
}

#[test]
fn guarantees_beyond_a_ceiling_or_the_link_are_refused() {
    let mut link = link();
    let root = link.root();
    let class =
        link.add_class(root, 0, ClassConfig { ceil_kbps: Some(4_000), ..ClassConfig::default() }).unwrap();
    link.add_stream(class, 0, stream(3_000)).unwrap();
    let child = link.add_stream(class, 0, stream(1_001));
    assert!(matches!(
        child,
        Err(LinkError::OverCommitted { class: of, capacity_kbps: 4_000, guaranteed_kbps: 4_001, .. }) if of == class
    ));
    let last = link.add_stream(root, 0, stream(7_000)).unwrap();
    assert!(matches!(link.add_stream(root, 0, stream(1)), Err(LinkError::OverCommitted { class: 0, .. })));
    assert!(matches!(link.set_rate(0, 9_999), Err(LinkError::OverCommitted { .. })));
    let lower = ClassConfig { ceil_kbps: Some(2_999), ..ClassConfig::default() };
    assert!(matches!(link.reconfigure_class(class, 0, lower), Err(LinkError::OverCommitted { .. })));
    assert!(link.reconfigure_stream(last, 0, stream(7_001)).is_err());
    link.remove(last, 0).unwrap();
    // What a class is guaranteed is kept for it, whoever is in it.
    let empty = link.add_class(root, 0, ClassConfig { rate_kbps: 2_000, ..ClassConfig::default() }).unwrap();
    assert!(matches!(link.add_stream(root, 0, stream(5_001)), Err(LinkError::OverCommitted { .. })));
    link.remove(empty, 0).unwrap();
    link.add_stream(root, 0, stream(7_000)).expect("there is room again");
}

/// A link that is too slow for the delays that it has promised, and so stays as it is, promises what it did before.
#[test]
fn a_rate_that_is_refused_leaves_delays_as_they_were() {
    let mut link = link();
    let root = link.root();
    let within = |max_delay_us| StreamConfig { max_delay_us: Some(max_delay_us), ..stream(100) };
    (0..2).for_each(|_| assert!(link.add_stream(root, 0, within(6_000)).is_ok()));
    assert!(matches!(link.set_rate(0, 3_500), Err(LinkError::BreaksDelay { .. })));
    assert!(link.add_stream(root, 0, within(4_000)).is_ok());
}

/// A class keeps its rate when the streams in it are gone, but that is a share: it falls due for nobody, and takes nothing
/// from a delay that was promised beside it.
#[test]
fn who_goes_makes_no_promise_harder_to_keep() {
    let mut link = link();
    let root = link.root();
    let class = link.add_class(root, 0, ClassConfig { rate_kbps: 5_000, ..ClassConfig::default() }).unwrap();
    let within = |max_delay_us| StreamConfig { max_delay_us: Some(max_delay_us), ..stream(100) };
    let slow = StreamConfig { rate_kbps: 5_000, ..within(100_000) };
    let goes = link.add_stream(class, 0, slow).unwrap();
    assert!(link.add_stream(root, 0, within(3_000)).is_ok());
    link.remove(goes, 0).unwrap();
    assert!(matches!(link.set_rate(0, 5_100), Err(LinkError::BreaksDelay { .. })));
    assert!(link.add_stream(class, 0, stream(100)).is_ok());
}

#[test]
fn no_delay_is_promised_under_a_ceiling() {
    let mut link = link();
    let root = link.root();
    let with_ceiling = ClassConfig { ceil_kbps: Some(4_000), ..ClassConfig::default() };
    let capped = link.add_class(root, 0, with_ceiling).unwrap();
    let inner = link.add_class(capped, 0, ClassConfig::default()).unwrap();
    let open = link.add_class(root, 0, ClassConfig::default()).unwrap();
    let open_inner = link.add_class(open, 0, ClassConfig::default()).unwrap();
    let delayed = StreamConfig { max_delay_us: Some(20_000), ..stream(100) };
    for class in [capped, inner] {
        assert_eq!(
            message(link.add_stream(class, 0, delayed)),
            format!(
                "max_delay_us: expected no delay under the ceiling of class {capped}; it can be promised in the root and in \
                 classes with no ceiling of theirs or of an ancestor's, found 20000"
            )
        );
    }
    let own = StreamConfig { ceil_kbps: Some(200), ..delayed };
    let told = "max_delay_us: expected no delay beside a ceil_kbps, which would put it off, found 20000";
    assert_eq!(message(link.add_stream(root, 0, own)), told);
    let plain = link.add_stream(inner, 0, stream(100)).unwrap();
    assert!(matches!(
        link.reconfigure_stream(plain, 0, delayed),
        Err(LinkError::DelayUnderCeiling { class, found_us: 20_000 }) if class == capped
    ));
    let kept = link.add_stream(open_inner, 0, delayed).unwrap();
    assert_eq!(message(link.reconfigure_stream(kept, 0, own)), told);
    for class in [open, open_inner] {
        assert_eq!(
            message(link.reconfigure_class(class, 0, with_ceiling)),
            format!(
                "ceil_kbps: expected no ceiling, as streams in class {class} have a max_delay_us, found 4000 kbps"
            )
        );
        assert_eq!(link.class_config(class), Ok(ClassConfig::default()));
    }
    link.remove(kept, 0).unwrap();
    link.reconfigure_class(open, 0, with_ceiling).expect("nothing is promised there any more");
}

/// What is promised leaves no room for what a ceiling would hold back with less burst or a lower rate.
#[test]
fn a_change_that_would_break_a_promise_is_refused() {
    let mut link = link();
    let root = link.root();
    let capped = |ceil_kbps, burst_bytes| ClassConfig {
        ceil_kbps: Some(ceil_kbps),
        burst_bytes,
        ..ClassConfig::default()
    };
    let class = link.add_class(root, 0, capped(4_000, 2 * 1514)).unwrap();
    let promise = StreamConfig { max_delay_us: Some(3_000), ..stream(100) };
    let promised = link.add_stream(root, 0, promise).unwrap();
    link.add_stream(class, 0, stream(1_000)).unwrap();
    let second = link.add_stream(class, 0, stream(100)).unwrap();
    let told = |held_bytes| {
        format!(
            "rate_kbps: expected a rate with which the link keeps the delays that it has promised, or more burst_bytes where \
             there is a ceil_kbps: ceilings may hold back {held_bytes} bytes, found 1200 kbps"
        )
    };
    assert_eq!(message(link.reconfigure_class(class, 0, capped(4_000, 1514))), told(1514 + 417));
    assert_eq!(message(link.reconfigure_class(class, 0, capped(1_100, 2 * 1514))), told(1514));
    assert!(matches!(
        link.add_stream(class, 0, stream(1)),
        Err(LinkError::BreaksDelay { held_bytes: 1931.., .. })
    ));
    assert!(matches!(
        link.set_rate(0, 8_000),
        Err(LinkError::BreaksDelay { found_kbps: 8_000, held_bytes: 417 })
    ));
    let less_than_a_packet = link.reconfigure_class(class, 0, capped(4_000, 1513));
    assert!(matches!(less_than_a_packet, Err(LinkError::BreaksDelay { held_bytes: 1_000_000_000.., .. })));
    let second_capped = StreamConfig { ceil_kbps: Some(100), burst_bytes: 0, ..stream(100) };
    assert!(matches!(link.reconfigure_stream(second, 0, second_capped), Err(LinkError::BreaksDelay { .. })));
    let sooner = StreamConfig { max_delay_us: Some(2_000), ..promise };
    assert!(matches!(
        link.reconfigure_stream(promised, 0, sooner),
        Err(LinkError::DelayOutOfReach { least_us: Some(2_001..3_000), held_bytes: 417, .. })
    ));
    assert_eq!(link.class_config(class), Ok(capped(4_000, 2 * 1514)));
    link.remove(second, 0).unwrap();
    link.remove(promised, 0).unwrap();
    link.reconfigure_class(class, 0, capped(1_100, 0)).expect("nothing is promised any more");
    link.set_rate(0, 8_000).expect("it has room for the rate");
}

#[test]
fn time_never_goes_back() {
    let mut link = link();
    let stream = link.add_stream(link.root(), 0, stream(0)).unwrap();
    assert_eq!(push(&mut link, stream, 100, 1_000), 0);
    let expected = "now_ns: expected at least 1000, found 999";
    assert_eq!(message(link.next_event_ns(999)), expected);
    assert_eq!(message(link.enqueue(&[stream], &[1], 999, &mut [0])), expected);
    assert_eq!(message(link.remove(stream, 999)), expected);
    assert_eq!(message(link.set_rate(999, 1)), expected);
    assert_eq!(take(&mut link, 2_000, 9).len(), 1);
    assert_eq!(message(link.next_event_ns(1_999)), "now_ns: expected at least 2000, found 1999");
}

#[test]
fn the_root_is_neither_removed_nor_reconfigured() {
    let mut link = link();
    let root = link.root();
    assert!(matches!(link.remove(root, 0), Err(LinkError::WrongKind { .. })));
    let class = ClassConfig::default();
    assert!(matches!(link.reconfigure_class(root, 0, class), Err(LinkError::WrongKind { .. })));
    link.set_rate(0, 5_000).unwrap();
    let stream = link.add_stream(root, 0, stream(5_000)).unwrap();
    (0..2).for_each(|_| assert_eq!(push(&mut link, stream, 1250, 0), 0));
    assert_eq!(drain(&mut link, 0)[1].start_ns, 2_000_000);
}

#[test]
fn a_handle_of_the_wrong_kind_is_told_what_it_is() {
    let mut link = link();
    let root = link.root();
    let stream = link.add_stream(root, 0, stream(0)).unwrap();
    assert_eq!(
        message(link.add_class(stream, 0, ClassConfig::default())),
        format!("parent: expected a class, found {stream}, which is a stream")
    );
    assert_eq!(message(link.stream_config(root)), "handle: expected a stream, found 0, which is a class");
    assert_eq!(
        message(link.remove(root, 0)),
        "handle: expected a class or stream other than the root, found 0, which is the root"
    );
}
