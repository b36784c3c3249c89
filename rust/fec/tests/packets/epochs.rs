//! Encoders that take each other's place, and clocks that go back.

use core::ops::Range;

use honeylink_fec::{MAX_EPOCH, Matrix, PacketEncoder, ReedSolomon};

use crate::endpoints::{decoder, one_of_two, receive, send};

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
