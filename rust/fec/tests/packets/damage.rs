//! Datagrams that are not whole, not of the stream, or in contradiction to each other.

use honeylink_fec::{Matrix, PacketEncoder, ReedSolomon};

use crate::{
    endpoints::{decoder, encoder, flush, receive, send},
    packet_script::sealed,
};

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
