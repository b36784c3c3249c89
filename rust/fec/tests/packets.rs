//! The promises of the packet codec: all comes back that can, in order and byte for byte, and nothing else.

mod packet_script;

use core::ops::Range;
use std::collections::HashMap;

use honeylink_fec::{
    Error, MAX_EPOCH, MAX_PACKET_BYTES, MAX_WINDOW_GROUPS, Matrix, PacketDecoder, PacketEncoder, PacketStats,
    ReedSolomon,
};
use packet_script::{group_of, later, sealed, sealed_in};
use proptest::{collection::vec, prelude::*, sample::Index};

fn encoder(k: usize, m: usize) -> PacketEncoder {
    let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("k and m are in range");
    PacketEncoder::new(&code, 1, 0).expect("the matrix is right")
}

fn decoder(window_groups: usize) -> PacketDecoder {
    PacketDecoder::new(1, window_groups).expect("the window is in range")
}

fn send(encoder: &mut PacketEncoder, packet: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    encoder.add(packet.as_ref(), |datagram| datagrams.push(datagram.to_vec())).expect("the packet fits");
    datagrams
}

fn end(encoder: &mut PacketEncoder) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    encoder.flush(|datagram| datagrams.push(datagram.to_vec()));
    datagrams
}

/// What the decoder delivers for each datagram by itself.
fn receive<D: AsRef<[u8]>>(
    decoder: &mut PacketDecoder,
    datagrams: impl IntoIterator<Item = D>,
) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for datagram in datagrams {
        decoder.add(datagram.as_ref(), |packet| packets.push(packet.to_vec()));
    }
    packets
}

fn flush(decoder: &mut PacketDecoder) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    decoder.flush(|packet| packets.push(packet.to_vec()));
    packets
}

/// A packet of each number: "p0", "p1", …
fn numbered(numbers: Range<usize>) -> Vec<Vec<u8>> {
    numbers.map(|number| format!("p{number}").into_bytes()).collect()
}

/// The datagrams of so many full groups of numbered packets, by group.
fn groups(encoder: &mut PacketEncoder, k: usize, count: usize) -> Vec<Vec<Vec<u8>>> {
    let packets = numbered(0..k * count);
    packets.chunks(k).map(|group| group.iter().flat_map(|packet| send(encoder, packet)).collect()).collect()
}

/// How a packet is sent, and what the link does to its group's datagrams.
#[derive(Clone, Debug)]
struct Sending {
    packet: Vec<u8>,
    /// Whether the group is ended after it, full or not.
    ends_group: bool,
}

fn sendings() -> impl Strategy<Value = Vec<Sending>> {
    let sending = (vec(any::<u8>(), 0..40), prop::bool::weighted(0.15));
    vec(sending.prop_map(|(packet, ends_group)| Sending { packet, ends_group }), 1..80)
}

/// What the link does to one datagram: how late it comes, how late it comes again, whether it would rather be lost.
type Fate = (Index, Index, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn all_comes_back_in_order_when_no_group_loses_more_than_m(
        (k, m, window) in (1_usize..8, 0_usize..4, 1_usize..6),
        sendings in sendings(),
        fates in vec(any::<Fate>(), 400),
        wraps: bool,
    ) {
        let first = if wraps { u32::MAX - 3 } else { 0 };
        let mut encoder = encoder(k, m);
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for Sending { packet, ends_group } in &sendings {
            datagrams.extend(send(&mut encoder, packet));
            if *ends_group {
                datagrams.extend(end(&mut encoder));
            }
        }
        datagrams.extend(end(&mut encoder));
        for datagram in &mut datagrams {
            *datagram = later(datagram, first);
        }

        // Each group loses the first m datagrams that fate would have lost. The others are late by less than a window,
        // and some come again. A joined stream starts where it is joined, so its first datagram is first.
        let mut lost = HashMap::new();
        let mut arrivals: Vec<(usize, usize)> = Vec::new();
        let mut repeated = 0;
        for (at, (datagram, (delay, again, is_unlucky))) in datagrams.iter().zip(fates.iter().cycle()).enumerate() {
            let group = group_of(datagram).wrapping_sub(first) as usize;
            let is_first = wraps && at == 0;
            // Without any of its parity nobody can know that a group was short.
            let [_, index, real_k, ..] = datagram[..] else { unreachable!("a datagram has a header") };
            let tells_the_end = index == real_k && usize::from(real_k) < k;
            let losses = lost.entry(group).or_insert(0);
            if *is_unlucky && *losses < m && !is_first && !tells_the_end {
                *losses += 1;
                continue;
            }
            arrivals.push((group + if is_first { 0 } else { delay.index(window) }, at));
            if again.index(3 * window) < window {
                arrivals.push((group + again.index(3 * window), at));
                repeated += 1;
            }
        }
        arrivals.sort_by_key(|&(when, _)| when);

        let mut decoder = decoder(window);
        let packets = receive(&mut decoder, arrivals.iter().map(|&(_, at)| &datagrams[at]));
        let sent: Vec<Vec<u8>> = sendings.into_iter().map(|sending| sending.packet).collect();
        prop_assert_eq!(packets, sent);
        let stats = decoder.stats();
        prop_assert_eq!(stats.received, arrivals.len() as u64);
        prop_assert_eq!((stats.damaged, stats.late, stats.given_up), (0, 0, 0));
        prop_assert_eq!(stats.duplicate, repeated);
    }

    #[test]
    fn no_script_of_bytes_breaks_a_promise(script in vec(any::<u8>(), 0..1500)) {
        packet_script::run(&script);
    }

    #[test]
    fn changed_datagrams_are_damaged(packet in vec(any::<u8>(), 0..50), at: Index, change in vec(any::<u8>(), 1..9)) {
        let datagram = &send(&mut encoder(2, 1), packet)[0];
        let mut changed = datagram.clone();
        let at = at.index(changed.len());
        changed.iter_mut().skip(at).zip(&change).for_each(|(byte, change)| *byte ^= change);
        prop_assume!(changed != *datagram);
        let mut decoder = decoder(4);
        prop_assert!(receive(&mut decoder, [changed]).is_empty());
        prop_assert_eq!(decoder.stats().damaged, 1);
    }
}

#[test]
fn a_lossless_link_delivers_at_once_and_counts_nothing_else() {
    let (mut encoder, mut decoder) = (encoder(4, 2), decoder(64));
    for packet in numbered(0..402) {
        assert_eq!(receive(&mut decoder, send(&mut encoder, &packet)), [packet]);
    }
    assert_eq!(receive(&mut decoder, end(&mut encoder)), [[]; 0]);
    assert_eq!(decoder.held_bytes(), 0);
    assert_eq!(decoder.stats(), PacketStats { received: 402 + 101 * 2, ..PacketStats::default() });
}

#[test]
fn a_recovered_packet_is_delivered_as_soon_as_it_can_be() {
    let datagrams = groups(&mut encoder(4, 2), 4, 1).remove(0);
    let mut decoder = decoder(64);
    assert_eq!(receive(&mut decoder, &datagrams[2..5]), [[]; 0]);
    assert_eq!(receive(&mut decoder, &datagrams[5..6]), numbered(0..4));
    assert_eq!(decoder.stats().recovered, 2);
    // What comes now is spare: it was neither here before nor is it too late for anything.
    assert_eq!(receive(&mut decoder, &datagrams[..2]), [[]; 0]);
    assert_eq!(receive(&mut decoder, &datagrams), [[]; 0]);
    let stats = decoder.stats();
    assert_eq!((stats.received, stats.duplicate, stats.late, stats.damaged), (12, 6, 0, 0));
}

#[test]
fn what_is_lost_for_good_is_waited_for_as_long_as_the_window() {
    let groups = groups(&mut encoder(2, 1), 2, 5);
    let mut decoder = decoder(3);
    // Of group 0 only the first packet comes; it is delivered, and what follows is held back.
    assert_eq!(receive(&mut decoder, &groups[0][..1]), numbered(0..1));
    assert_eq!(receive(&mut decoder, groups[1].iter().chain(&groups[2])), [[]; 0]);
    assert_eq!(decoder.stats().given_up, 0);
    assert_eq!(receive(&mut decoder, &groups[3][..1]), numbered(2..7));
    assert_eq!(decoder.stats().given_up, 1);
    // The rest of group 0 is late, but what was here before is a duplicate.
    assert_eq!(receive(&mut decoder, &groups[0]), [[]; 0]);
    assert_eq!((decoder.stats().late, decoder.stats().duplicate), (2, 1));
}

#[test]
fn lost_packets_are_counted_as_far_as_they_are_known() {
    let mut encoder = encoder(4, 1);
    let all = groups(&mut encoder, 4, 8);
    let short: Vec<_> = send(&mut encoder, b"short").into_iter().chain(end(&mut encoder)).collect();
    let next = send(&mut encoder, b"next");
    for (kept, lost) in [
        (vec![&all[0][..1], &all[7][..]], 3 + 6 * 4), // nothing came of six groups
        (vec![&all[0][2..], &all[1][..]], 2),
        (vec![&all[0][..2]], 0), // more may not have been sent yet
        (vec![&all[0][1..2]], 1),
        (vec![&all[0][..2], &all[0][4..]], 0), // the others may yet come
        (vec![&short[..1], &next], 3),         // nothing says that the group was short
        (vec![&short[1..], &next], 0),
    ] {
        let mut decoder = decoder(1);
        receive(&mut decoder, kept.into_iter().flatten());
        flush(&mut decoder);
        assert_eq!(decoder.stats().given_up, lost);
    }
}

#[test]
fn flush_delivers_what_is_here_and_goes_on_behind_it() {
    let groups = groups(&mut encoder(4, 1), 4, 2);
    let mut decoder = decoder(64);
    receive(&mut decoder, [&groups[0][1], &groups[0][3]]);
    assert_eq!(flush(&mut decoder), [b"p1", b"p3"]);
    assert_eq!(flush(&mut decoder), [[]; 0]);
    assert_eq!(receive(&mut decoder, [&groups[0][0]]), [[]; 0]);
    assert_eq!((decoder.stats().given_up, decoder.stats().late), (2, 1));
    receive(&mut decoder, [&groups[1][1]]);
    assert_eq!(flush(&mut decoder), [b"p5"]);
    assert_eq!(receive(&mut decoder, &groups[1][2..4]), [b"p6", b"p7"]);
    // A group that was flushed still repairs what lies behind.
    let groups = self::groups(&mut encoder(4, 3), 4, 1);
    let mut decoder = self::decoder(64);
    receive(&mut decoder, [&groups[0][1]]);
    assert_eq!(flush(&mut decoder), [b"p1"]);
    assert_eq!(receive(&mut decoder, &groups[0][4..]), [b"p2", b"p3"]);
    assert_eq!((decoder.stats().recovered, decoder.stats().given_up), (2, 1));
}

#[test]
fn a_short_group_comes_back_from_any_of_its_shards() {
    let mut encoder = encoder(10, 3);
    let mut datagrams: Vec<_> = numbered(0..3).iter().flat_map(|packet| send(&mut encoder, packet)).collect();
    datagrams.extend(end(&mut encoder));
    assert_eq!(datagrams.len(), 6);
    assert_eq!(datagrams.iter().map(|datagram| datagram[1]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(datagrams.iter().map(|datagram| datagram[2]).collect::<Vec<_>>(), [10, 10, 10, 3, 3, 3]);
    for pattern in (0_u32..1 << 6).filter(|pattern| pattern.count_ones() == 3) {
        let kept =
            || datagrams.iter().enumerate().filter(|(at, _)| pattern >> at & 1 == 1).map(|(_, one)| one);
        assert_eq!(receive(&mut decoder(4), kept()), numbered(0..3), "{pattern:b}");
        assert_eq!(receive(&mut decoder(4), kept().rev()), numbered(0..3), "{pattern:b} backwards");
    }
    // The next packet opens a new group, and nothing waits for the seven that were not sent.
    let mut decoder = decoder(4);
    receive(&mut decoder, &datagrams);
    assert_eq!(receive(&mut decoder, send(&mut encoder, b"next")), [b"next"]);
}

#[test]
fn flush_without_a_group_or_without_parity_sends_nothing() {
    let mut encoder = self::encoder(2, 1);
    assert_eq!(end(&mut encoder), [[]; 0]);
    send(&mut encoder, b"one");
    assert_eq!((end(&mut encoder).len(), end(&mut encoder).len()), (1, 0));

    let (mut encoder, mut decoder) = (self::encoder(2, 0), decoder(4));
    let first = send(&mut encoder, b"one");
    assert_eq!(end(&mut encoder), [[]; 0]);
    let second = send(&mut encoder, b"two");
    assert_eq!((group_of(&first[0]), group_of(&second[0])), (0, 0));
    let third = send(&mut encoder, b"three");
    assert_eq!(receive(&mut decoder, first.iter().chain(&second).chain(&third)).len(), 3);
}

#[test]
fn a_stream_is_waited_for_from_its_beginning() {
    let groups = groups(&mut encoder(2, 1), 2, 4);
    let mut decoder = decoder(4);
    let backwards = groups.iter().rev().flat_map(|group| group.iter().rev());
    assert_eq!(receive(&mut decoder, backwards), numbered(0..8));
}

#[test]
fn a_running_stream_is_joined_at_the_first_datagram() {
    let groups = groups(&mut encoder(3, 1), 3, 7);
    // In the middle of a group; then as well by the data before it, which repairs what follows.
    let mut joined = decoder(4);
    assert_eq!(receive(&mut joined, &groups[5][1..2]), numbered(16..17));
    assert_eq!(receive(&mut joined, [&groups[5][0], &groups[5][3]]), numbered(17..18));
    assert_eq!((joined.stats().given_up, joined.stats().late, joined.stats().recovered), (0, 1, 1));
    // At its parity, which is of use to nobody.
    let mut joined = decoder(4);
    assert_eq!(receive(&mut joined, &groups[5][3..]), [[]; 0]);
    assert_eq!(receive(&mut joined, &groups[6][..1]), numbered(18..19));
}

#[test]
fn a_jump_ahead_gives_up_what_it_leaves_behind() {
    let (near, far) = (decoder_after_jump(1 << 16), decoder_after_jump((1 << 16) + 1));
    // As far as groups may be under way together, those between are lost. Beyond, the stream is joined anew.
    assert_eq!(near.stats().given_up, 1 + ((1 << 16) - 1) * 2);
    assert_eq!(far.stats().given_up, 0);
    assert_eq!((near.stats().late, far.stats().late), (1, 1));
}

/// A decoder that got a packet of group 1 at first, then one so many groups later, then the former's neighbour.
fn decoder_after_jump(distance: u32) -> PacketDecoder {
    let mut decoder = decoder(1);
    let datagrams = [(1, 0), (1 + distance, 0), (1, 1)].map(|(group, index)| one_of_two(0, group, index));
    assert_eq!(receive(&mut decoder, datagrams).len(), 2, "not the late one");
    decoder
}

/// A packet's datagram in a group of two.
fn one_of_two(epoch: u64, group: u32, index: u8) -> Vec<u8> {
    let packet = format!("{epoch} {group} {index}");
    let payload = [&[0, packet.len().to_le_bytes()[0]], packet.as_bytes()].concat();
    sealed_in([index, 2, 0], epoch, group, &payload)
}

/// The datagrams of so many groups of two, from a group on.
fn pairs(epoch: u64, groups: Range<u32>) -> Vec<Vec<u8>> {
    groups.flat_map(|group| [0, 1].map(|index| one_of_two(epoch, group, index))).collect()
}

/// The packets of the same.
fn packets_of(epoch: u64, groups: Range<u32>) -> Vec<Vec<u8>> {
    groups.flat_map(|group| [0, 1].map(|index| format!("{epoch} {group} {index}").into_bytes())).collect()
}

#[test]
fn a_sender_that_starts_again_is_followed_and_not_mixed_with_itself() {
    let code = ReedSolomon::new(3, 1, Matrix::Cauchy).expect("k and m are in range");
    let of = |epoch: u64, text: &str| {
        let mut encoder = PacketEncoder::new(&code, 1, epoch).expect("the matrix is right");
        (0..9).flat_map(|number| send(&mut encoder, format!("{text}{number}"))).collect::<Vec<_>>()
    };
    let (old, new) = (of(7, "old"), of(MAX_EPOCH, "new"));
    let mut decoder = decoder(4);
    // It stops in the middle of its first group. Of the new one's, of equal length, the start is late or lost.
    assert_eq!(receive(&mut decoder, &old[..2]), [b"old0", b"old1"]);
    assert_eq!(receive(&mut decoder, &new[7..]), [[]; 0]);
    let expected: Vec<_> = (0..9).map(|number| format!("new{number}").into_bytes()).collect();
    assert_eq!(receive(&mut decoder, &new[1..7]), expected);
    // The lost one, and the last of the second group, whose parity came before it.
    let stats = decoder.stats();
    assert_eq!((stats.damaged, stats.late, stats.duplicate, stats.recovered), (0, 0, 0, 2));
}

#[test]
fn what_comes_late_of_an_encoder_that_was_replaced_changes_nothing() {
    let mut decoder = decoder(64);
    assert_eq!(receive(&mut decoder, pairs(1, 0..100)), packets_of(1, 0..100));
    assert_eq!(receive(&mut decoder, pairs(2, 0..300)), packets_of(2, 0..300));
    // One that had come, and one that had not; the new stream goes on at once.
    assert_eq!(receive(&mut decoder, [one_of_two(1, 99, 1), one_of_two(1, 100, 0)]), [[]; 0]);
    assert_eq!(receive(&mut decoder, pairs(2, 300..900)), packets_of(2, 300..900));
    // As many as there can be, each with its repetition, in both orders, and again after one more restart.
    let late: Vec<_> = pairs(1, 50..114).into_iter().flat_map(|one| [one.clone(), one]).collect();
    assert_eq!(receive(&mut decoder, late.iter().chain(late.iter().rev())), [[]; 0]);
    assert_eq!(receive(&mut decoder, pairs(2, 900..910)), packets_of(2, 900..910));
    assert_eq!(receive(&mut decoder, pairs(3, 0..10)), packets_of(3, 0..10));
    assert_eq!(receive(&mut decoder, late.into_iter().chain(pairs(2, 900..930))), [[]; 0]);
    assert_eq!(receive(&mut decoder, pairs(3, 10..20)), packets_of(3, 10..20));
    let stats = decoder.stats();
    assert_eq!((stats.late, stats.duplicate, stats.given_up), (2 + 512 + 256 + 60, 0, 0));
}

#[test]
fn old_and_new_may_be_interleaved_for_long() {
    let mut decoder = decoder(4);
    receive(&mut decoder, pairs(1, 0..10));
    let mixed = pairs(1, 10..1000).into_iter().zip(pairs(2, 0..990)).flat_map(|(old, new)| [old, new]);
    // One of the old comes before the first of the new.
    let expected = [vec![b"1 10 0".to_vec()], packets_of(2, 0..990)].concat();
    assert_eq!(receive(&mut decoder, mixed), expected);
}

#[test]
fn a_replay_from_long_ago_changes_nothing() {
    for epoch in [7, 6] {
        let mut decoder = decoder(8);
        receive(&mut decoder, pairs(7, 0..10));
        assert_eq!(receive(&mut decoder, pairs(7, 100_000..100_010)).len(), 20);
        // One from each group, in between what is new: of this epoch and before, from beyond what is known.
        let new = pairs(7, 100_010..100_510);
        let mixed = new.into_iter().zip(pairs(epoch, 0..500)).flat_map(|(new, old)| [old, new]);
        assert_eq!(receive(&mut decoder, mixed), packets_of(7, 100_010..100_510));
    }
}

#[test]
fn a_sender_whose_clock_went_back_is_followed_after_a_window() {
    let mut decoder = decoder(8);
    receive(&mut decoder, pairs(9, 0..1000));
    assert_eq!(receive(&mut decoder, pairs(5, 0..20)), packets_of(5, 8..20));
    assert_eq!(decoder.stats().late, 16);
    // Backwards it is not going on, and each of another stream starts the count anew.
    assert_eq!(receive(&mut decoder, pairs(4, 0..1000).into_iter().rev()), [[]; 0]);
    let two = pairs(3, 0..1000).into_iter().zip(pairs(4, 0..1000)).flat_map(|(one, other)| [one, other]);
    assert_eq!(receive(&mut decoder, two), [[]; 0]);
    assert_eq!(receive(&mut decoder, pairs(5, 20..30)), packets_of(5, 20..30));
}

/// The figures of a device without a clock that is reset: each late datagram cost a window more, or an old packet twice.
#[test]
fn what_comes_late_when_the_clock_went_back_changes_nothing() {
    for late_at in 0..130 {
        let mut decoder = decoder(64);
        let mut late = pairs(9, 0..1000);
        receive(&mut decoder, late.drain(..1998));
        // The last group is under way for long, and one datagram that had come is repeated.
        late.push(one_of_two(9, 998, 1));
        let mut packets = receive(&mut decoder, pairs(5, 0..late_at));
        let of_late = receive(&mut decoder, late);
        assert_eq!(of_late, packets_of(9, if late_at <= 64 { 999..1000 } else { 0..0 }), "at {late_at}");
        packets.extend(receive(&mut decoder, pairs(5, late_at..200)));
        assert_eq!(packets, packets_of(5, 64..200), "at {late_at}");
    }
}

#[test]
fn the_epoch_that_was_left_is_followed_again_when_it_goes_on() {
    let mut decoder = decoder(8);
    receive(&mut decoder, pairs(9, 0..10));
    // Somebody replays what was sent long ago, and the stream goes on.
    assert_eq!(receive(&mut decoder, pairs(5, 0..20)), packets_of(5, 8..20));
    assert_eq!(receive(&mut decoder, pairs(9, 10..30)), packets_of(9, 18..30));
    assert_eq!(receive(&mut decoder, pairs(5, 20..24)), [[]; 0]);
    // A later encoder is followed at once, and those before it are late however they mix.
    let mixed = pairs(5, 24..300).into_iter().zip(pairs(10, 0..276)).zip(pairs(9, 30..306));
    let mixed = mixed.flat_map(|((one, new), other)| [new, one, other]);
    assert_eq!(receive(&mut decoder, mixed), packets_of(10, 0..276));
}

#[test]
fn a_datagram_of_an_epoch_that_never_comes_does_not_stop_the_stream_for_good() {
    // Or one from very far on in this epoch. Somebody forged it.
    for (epoch, group) in [(MAX_EPOCH, 3), (5, 1 << 31)] {
        let mut decoder = decoder(8);
        receive(&mut decoder, pairs(5, 0..100));
        receive(&mut decoder, [one_of_two(epoch, group, 0)]);
        let mut packets = receive(&mut decoder, pairs(5, 100..200));
        packets.retain(|packet| *packet != format!("{epoch} {group} 0").into_bytes());
        assert_eq!(packets, packets_of(5, 108..200), "epoch {epoch}, group {group}");
    }
}

#[test]
fn epochs_never_mix_even_where_all_else_is_alike() {
    let of = |epoch: u64, text: &str| {
        let code = ReedSolomon::new(3, 1, Matrix::Cauchy).expect("k and m are in range");
        let mut encoder = PacketEncoder::new(&code, 1, epoch).expect("the matrix is right");
        (0..3).flat_map(|number| send(&mut encoder, format!("{text}{number}"))).collect::<Vec<_>>()
    };
    let (old, new) = (of(0, "old"), of(1, "new"));
    // Of the old group two came; the new group's parity would give a packet of neither from them.
    let mut decoder = decoder(4);
    assert_eq!(receive(&mut decoder, [&old[0], &old[1], &new[3], &old[2]]), [b"old0", b"old1"]);
    assert_eq!(receive(&mut decoder, &new[1..3]), [b"new0", b"new1", b"new2"]);
}

#[test]
fn shards_that_contradict_their_group_are_damaged() {
    let first = [sealed([0, 4, 2], 0, b"\0\x01a"), sealed([4, 4, 2], 0, b"xyz")];
    for (contradiction, why) in [
        (sealed([1, 5, 2], 0, b"\0\x01b"), "another k"),
        (sealed([1, 4, 1], 0, b"\0\x01b"), "another m"),
        (sealed([5, 4, 2], 0, b"wxyz"), "parity of another length"),
        (sealed([4, 3, 2], 0, b"xyz"), "parity of another real k"),
        (sealed([1, 4, 2], 0, b"\0\x02bc"), "data that is longer than parity"),
    ] {
        let mut decoder = decoder(4);
        receive(&mut decoder, &first);
        assert_eq!(receive(&mut decoder, [contradiction]), [[]; 0], "{why}");
        assert_eq!(decoder.stats().damaged, 1, "{why}");
    }
    for (data, parity, why) in [
        (sealed([3, 5, 2], 0, b"\0\x01a"), sealed([4, 3, 2], 0, b"xyz"), "data behind the real k"),
        (sealed([0, 4, 2], 0, b"\0\x02ab"), sealed([4, 4, 2], 0, b"xyz"), "parity shorter than data"),
        (sealed([0, 4, 2], 0, b"\0\x01a"), sealed([6, 5, 2], 0, b"xyz"), "more packets than a full group"),
    ] {
        for pair in [[&data, &parity], [&parity, &data]] {
            let mut decoder = decoder(4);
            receive(&mut decoder, pair);
            assert_eq!(decoder.stats().damaged, 1, "{why}");
        }
    }
}

#[test]
fn what_is_recovered_must_be_a_packet() {
    // With k = 2 and m = 1 parity is the sum, so the lost shard is chosen by it. Of the first three, each would be of
    // a packet that is too long, or has something behind it.
    let kept = b"\0\x02ab";
    for (lost, is_packet) in
        [(b"\0\x03cd", false), (b"\xFF\xFFcd", false), (b"\0\x01cd", false), (b"\0\x02cd", true)]
    {
        let parity: Vec<u8> = kept.iter().zip(lost).map(|(a, b)| a ^ b).collect();
        let mut decoder = decoder(1);
        let mut packets = receive(&mut decoder, [sealed([2, 2, 1], 0, &parity), sealed([1, 2, 1], 0, kept)]);
        packets.extend(flush(&mut decoder));
        packets.extend(receive(&mut decoder, [sealed([0, 2, 1], 1, b"\0\x01z")]));
        let expected: &[&[u8]] = if is_packet { &[b"cd", b"ab", b"z"] } else { &[b"ab", b"z"] };
        assert_eq!(packets, expected);
        let stats = decoder.stats();
        assert_eq!(
            (stats.damaged, stats.recovered, stats.given_up),
            if is_packet { (0, 1, 0) } else { (1, 0, 1) }
        );
    }
}

#[test]
fn data_is_still_delivered_where_recovery_failed() {
    let mut decoder = decoder(4);
    let parity = sealed([3, 3, 1], 0, b"\xFF\xFF..");
    assert_eq!(receive(&mut decoder, [sealed([0, 3, 1], 0, b"\0\x02ab"), parity]), [b"ab"]);
    assert_eq!(receive(&mut decoder, [sealed([2, 3, 1], 0, b"\0\x02ef")]), [[]; 0]);
    assert_eq!(receive(&mut decoder, [sealed([1, 3, 1], 0, b"\0\x02cd")]), [b"cd", b"ef"]);
    assert_eq!((decoder.stats().damaged, decoder.stats().recovered), (1, 0));
}

#[test]
fn a_group_whose_shard_comes_again_as_another_is_not_repaired() {
    let of = |text: &str| {
        let mut encoder = encoder(3, 1);
        (0..3).flat_map(|number| send(&mut encoder, format!("{text}{number}"))).collect::<Vec<_>>()
    };
    let (old, new) = (of("old"), of("new"));
    let mut decoder = decoder(4);
    // A restart in the middle of a group. Its first shard comes again with another packet, its last is lost: recovered
    // by the new parity from the old shards, that would be a packet that nobody sent.
    let packets = receive(&mut decoder, [&old[0], &old[1], &new[0], &new[1], &new[3]]);
    assert_eq!(packets, [b"old0", b"old1"]);
    assert_eq!(decoder.stats().damaged, 2);
    assert_eq!(decoder.stats().recovered, 0);
}

#[test]
fn foreign_datagrams_are_damaged() {
    let code = ReedSolomon::new(2, 1, Matrix::Cauchy).expect("k and m are in range");
    let mut other = PacketEncoder::new(&code, 2, 0).expect("the matrix is right");
    let mut decoder = decoder(4);
    assert_eq!(receive(&mut decoder, send(&mut other, b"theirs")), [[]; 0]);
    assert_eq!(receive(&mut decoder, [&b""[..], b"x", &[0; 20], &[0xFF; 2000]]), [[]; 0]);
    assert_eq!(decoder.stats().damaged, 5);
}

#[test]
fn the_longest_packet_and_the_widest_groups_travel() {
    let (mut encoder, mut decoder) = (encoder(1, 1), decoder(1));
    let longest = vec![7; MAX_PACKET_BYTES];
    let datagrams = send(&mut encoder, &longest);
    assert_eq!(datagrams[0].len(), 20 + 65535);
    assert_eq!(receive(&mut decoder, &datagrams[1..]), [longest]);
    for (k, m) in [(256, 0), (255, 1), (1, 255)] {
        let group = groups(&mut self::encoder(k, m), k, 1).remove(0);
        assert_eq!(receive(&mut self::decoder(1), &group[m..]), numbered(0..k), "{k}+{m}");
    }
}

#[test]
fn a_packet_that_is_too_long_changes_nothing() {
    let mut encoder = encoder(2, 1);
    send(&mut encoder, b"one");
    let refusal = encoder.add(&vec![0; MAX_PACKET_BYTES + 1], |_| unreachable!("nothing is sent"));
    assert_eq!(refusal, Err(Error::PacketLength { most: 65533, found: 65534 }));
    let mut other = self::encoder(2, 1);
    send(&mut other, b"one");
    assert_eq!(send(&mut encoder, b"two"), send(&mut other, b"two"));
}

#[test]
fn arguments_out_of_range_are_refused() {
    let code = ReedSolomon::new(2, 1, Matrix::Vandermonde).expect("k and m are in range");
    let refusal = PacketEncoder::new(&code, 0, 0).map(|_| ());
    assert_eq!(refusal, Err(Error::PacketMatrix { found: Matrix::Vandermonde }));
    let code = ReedSolomon::new(2, 1, Matrix::Cauchy).expect("k and m are in range");
    let refusal = PacketEncoder::new(&code, 0, MAX_EPOCH + 1).map(|_| ());
    assert_eq!(refusal, Err(Error::Epoch { most: MAX_EPOCH, found: MAX_EPOCH + 1 }));
    for window_groups in [0, MAX_WINDOW_GROUPS + 1, usize::MAX] {
        let refusal = PacketDecoder::new(0, window_groups).map(|_| ());
        assert_eq!(refusal, Err(Error::Window { most: MAX_WINDOW_GROUPS, found: window_groups }));
    }
}
