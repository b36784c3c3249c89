//! What is guaranteed, and what priority and weights make of the rest.

use honeylink_scheduler::{LinkScheduler, Priority, StreamConfig};

use super::{LARGEST, LINK_KBPS, assert_rate, capped, end_ns, link_of, links, stream};
use crate::run::{drain, push, take};

/// Ten seconds of a stream that always has something queued, beside others; what it has sent, in kbit/s.
fn kbps_of(link: &mut LinkScheduler, stream: u32, others: &[u32]) -> u64 {
    let mut bytes = 0;
    for millisecond in 0..10_000 {
        let at_ns = millisecond * 1_000_000;
        for &handle in others.iter().chain([&stream]) {
            while link.stats(handle).unwrap().queued_packets < 4 {
                push(link, handle, 1250, at_ns);
            }
        }
        let sent = take(link, at_ns, 100);
        bytes +=
            sent.iter().filter(|sent| sent.stream == stream).map(|sent| u64::from(sent.size)).sum::<u64>();
    }
    bytes * 8 / 10_000
}

#[test]
fn a_stream_whose_ceiling_is_its_rate_gets_it() {
    for kbps in [100, 1_000, 5_000] {
        let capped = StreamConfig { ceil_kbps: Some(kbps), ..stream(kbps) };
        let (mut link, handles) = link_of(&[capped, stream(4_000), stream(0), stream(0)]);
        let got = kbps_of(&mut link, handles[0], &handles[1..]);
        assert!((kbps * 98 / 100..=kbps * 101 / 100 + 2).contains(&got), "{got} of {kbps} kbps");
    }
}

#[test]
fn priority_starves_nobody() {
    let eager = StreamConfig { priority: Priority::Latency, ..stream(500) };
    let video = StreamConfig { priority: Priority::Burst, weight: Some(500), ..stream(0) };
    let (mut link, handles) = link_of(&[eager, stream(3_000), video]);
    // The eager one floods the link. It has its 500 kbps; of the 6,500 that are left the video has its weight at least.
    let got = kbps_of(&mut link, handles[2], &handles[..2]);
    assert!(got >= 1_000, "{got} kbps for the video");
    let got = kbps_of_flooded_rate();
    assert!(got >= 2_900, "{got} of 3000 kbps");
}

fn kbps_of_flooded_rate() -> u64 {
    let eager = StreamConfig { priority: Priority::Latency, ..stream(500) };
    let (mut link, handles) = link_of(&[eager, stream(3_000), stream(0)]);
    kbps_of(&mut link, handles[1], &[handles[0], handles[2]])
}

#[test]
fn a_small_urgent_stream_waits_for_one_packet_at_most() {
    let control = StreamConfig { priority: Priority::Latency, ..stream(50) };
    let (mut link, handles) = link_of(&[control, stream(5_000), stream(0)]);
    for _ in 0..2000 {
        push(&mut link, handles[1], 1514, 0);
        push(&mut link, handles[2], 1514, 0);
    }
    let mut waits_ns = Vec::new();
    for number in 1..50 {
        let at_ns = number * 20_000_000;
        take(&mut link, at_ns - 1, 1000);
        push(&mut link, handles[0], 100, at_ns);
        let sent = take(&mut link, at_ns + 19_000_000, 1000);
        let control = sent.iter().find(|sent| sent.stream == handles[0]).expect("it was sent in time");
        waits_ns.push(end_ns(control) - at_ns);
    }
    // 2.4 ms: the packet on its way, one more of the stream whose deadline is earlier, and its own.
    assert!(waits_ns.iter().all(|&wait_ns| wait_ns <= 2 * 1_211_200 + 80_000), "{waits_ns:?}");
}

/// Forty others are due at the same time, within 97 ms. What ceilings elsewhere may hold back is no reason to wait for them,
/// as nobody was promised a delay.
#[test]
fn an_urgent_packet_does_not_wait_for_what_ceilings_hold_back() {
    let control = StreamConfig { priority: Priority::Latency, ..stream(50) };
    let (mut link, handles) = link_of(&[vec![control], vec![stream(125); 40]].concat());
    let class = capped(&mut link, 1_000);
    (0..64).for_each(|_| assert!(link.add_stream(class, 0, stream(10)).is_ok()));
    for &handle in &handles[1..] {
        (0..4).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
    }
    let at_ns = 10_000_000;
    push(&mut link, handles[0], 100, at_ns);
    let sent = drain(&mut link, at_ns);
    let control = sent.iter().find(|sent| sent.stream == handles[0]).expect("it was sent");
    assert!(end_ns(control) - at_ns <= 1_211_200 + 80_000, "{control:?}, enqueued at {at_ns}");
}

/// All of the link is guaranteed. A fast stream of priority latency is due long before the delay within which fifty slow
/// ones can go, and its rate falls due until then.
#[test]
fn priority_leaves_others_their_rate_when_all_is_guaranteed() {
    let eager = |rate_kbps| StreamConfig { priority: Priority::Latency, ..stream(rate_kbps) };
    let configs = [vec![eager(5_000), stream(2_500)], vec![eager(50); 50]].concat();
    for (mut link, parent) in links(0) {
        let handles: Vec<u32> =
            configs.iter().map(|&config| link.add_stream(parent, 0, config).expect("it fits")).collect();
        for (&handle, count) in handles.iter().zip([500, 250].into_iter().chain([1; 50])) {
            (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
        }
        let sent = take(&mut link, 1_211_200_000, 2_000);
        assert_rate(2_500, 0, handles[1], 250, &sent);
        assert_rate(5_000, 0, handles[0], 500, &sent);
    }
}

/// There is no early delay for a burst of 20 MB on a link that is all guaranteed, so it goes at its rate.
#[test]
fn a_burst_that_fits_nowhere_starves_nobody() {
    let burst_bytes = 20_000_000;
    let eager = StreamConfig { priority: Priority::Latency, burst_bytes, ..stream(100) };
    let (mut link, handles) = link_of(&[eager, stream(9_900)]);
    for (&handle, count) in handles.iter().zip([13_000, 10_000]) {
        (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
    }
    let sent = take(&mut link, 12_500_000_000, 20_000);
    assert_rate(9_900, 0, handles[1], 10_000, &sent);
}

/// What was sent counts in bytes when the rate changes: a packet takes twelve seconds at 1 kbit/s, at 5,000 two
/// milliseconds. And what went ahead as a burst counts as one packet for who has none any more.
#[test]
fn another_rate_is_guaranteed_at_once() {
    let hog = StreamConfig { weight: Some(1_000), ..stream(0) };
    let slow = StreamConfig { weight: Some(1), ..stream(1) };
    let eager = StreamConfig { priority: Priority::Latency, burst_bytes: 1_000_000, rate_kbps: 100, ..slow };
    for (before, count) in [(slow, 1), (eager, 100)] {
        let (mut link, handles) = link_of(&[before, hog]);
        (0..count).for_each(|_| assert_eq!(push(&mut link, handles[0], LARGEST as u32, 0), 0));
        assert_eq!(take(&mut link, 199_000_000, 200).len(), count);
        let since_ns = 200_000_000;
        link.reconfigure_stream(handles[0], since_ns, StreamConfig { rate_kbps: 5_000, ..slow }).unwrap();
        for (&handle, count) in handles.iter().zip([100, 300]) {
            (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, since_ns), 0));
        }
        let sent = drain(&mut link, since_ns);
        let packet_ns = LARGEST * 8_000_000 / 5_000;
        assert_rate(5_000, since_ns + packet_ns, handles[0], 100, &sent);
    }
}

/// What two streams get that are always busy, in kbit/s, in the second from `from_ms`.
fn kbps_in_a_second(link: &mut LinkScheduler, streams: [u32; 2], from_ms: u64) -> [u64; 2] {
    let mut bytes = [0; 2];
    for millisecond in from_ms..from_ms + 1000 {
        let at_ns = millisecond * 1_000_000;
        for handle in streams {
            while link.stats(handle).unwrap().queued_packets < 4 {
                push(link, handle, 1250, at_ns);
            }
        }
        for sent in take(link, at_ns, 100) {
            bytes[usize::from(sent.stream == streams[1])] += u64::from(sent.size);
        }
    }
    bytes.map(|bytes| bytes * 8 / 1000)
}

/// What goes by a guarantee counts in the share: it is no gift on top of it. But one that is larger than the share runs up
/// no debt that would have to be paid once it is gone.
#[test]
fn a_guarantee_counts_in_the_share_and_leaves_no_debt() {
    let with = |rate_kbps, weight| StreamConfig { weight: Some(weight), ..stream(rate_kbps) };
    let (mut link, handles) = link_of(&[with(4_000, 1_000), with(0, 1_000)]);
    let [one, other] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 0);
    assert!(one.abs_diff(other) <= 200, "{one} and {other} kbps");

    let (mut link, handles) = link_of(&[with(5_000, 1_000), with(0, 9_000)]);
    assert!(kbps_of(&mut link, handles[0], &handles[1..]) >= 4_900);
    link.reconfigure_stream(handles[0], 10_000_000_000, with(0, 1_000)).unwrap();
    let [one, _] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 10_000);
    assert!((800..1_100).contains(&one), "{one} of 1000 kbps");
}

/// A stream that says nothing of itself weighs a hundredth of the link, as one with such a rate would.
#[test]
fn the_usual_weight_is_a_hundredth_of_the_link() {
    let with = |weight| StreamConfig { weight: Some(weight), ..stream(0) };
    let (mut link, handles) = link_of(&[stream(0), with(3 * LINK_KBPS as u32 / 100)]);
    let [one, other] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 0);
    assert!(one.abs_diff(2_500) <= 100 && other.abs_diff(7_500) <= 100, "{one} and {other} kbps");
}

/// Two streams that ask for nothing are equal, whatever the link's rate was when each of them came.
#[test]
fn the_usual_weight_does_not_follow_the_link() {
    let (mut link, first) = link_of(&[stream(0)]);
    link.set_rate(0, 1_000).unwrap();
    let second = link.add_stream(link.root(), 0, stream(0)).unwrap();
    link.set_rate(0, 10_000).unwrap();
    let [one, other] = kbps_in_a_second(&mut link, [first[0], second], 0);
    assert!(one.abs_diff(other) <= 100, "{one} and {other} kbps");
}
