//! What is delivered of one encoder's packets, when, and what is counted.

use honeylink_fec::{
    Error, MAX_EPOCH, MAX_PACKET_BYTES, MAX_WINDOW_GROUPS, Matrix, PacketDecoder, PacketEncoder, PacketStats,
    ReedSolomon,
};

use crate::{
    endpoints::{decoder, encoder, end, flush, groups, numbered, one_of_two, receive, send},
    packet_script::group_of,
};

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
