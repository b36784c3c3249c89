//! The laws of an erasure code, held against an oracle that shares no code with it.

use honeylink_fec::{Encoder, Engine, Error, Matrix, ReedSolomon};
use proptest::{collection::vec, prelude::*, sample::subsequence};

/// a·b by doubling, in the field of polynomial 0x11D.
fn product(a: u8, b: u8) -> u8 {
    let doubled = |x: u8| (x << 1) ^ if x & 0x80 == 0 { 0 } else { 0x1D };
    (0..8)
        .fold((0, a), |(sum, power), bit| (sum ^ if b >> bit & 1 == 1 { power } else { 0 }, doubled(power)))
        .0
}

fn inverse(a: u8) -> u8 {
    (1..=255).find(|&b| product(a, b) == 1).expect("each element but 0 has an inverse")
}

/// The parity shards from the definition of the Cauchy matrix, one byte at a time.
fn parity_by_definition(k: usize, m: usize, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let difference = |i: usize, j: usize| u8::try_from((k + i) ^ j).expect("below 256");
    let coefficient = |i, j| {
        let numerator = product(difference(0, j), difference(i, 0));
        product(numerator, inverse(product(difference(i, j), difference(0, 0))))
    };
    let row = |i| {
        let coefficients: Vec<u8> = (0..k).map(|j| coefficient(i, j)).collect();
        let byte =
            |t: usize| coefficients.iter().zip(data).fold(0, |sum, (&c, shard)| sum ^ product(c, shard[t]));
        (0..data[0].len()).map(byte).collect()
    };
    (0..m).map(row).collect()
}

fn code(k: usize, m: usize) -> ReedSolomon {
    ReedSolomon::new(k, m, Matrix::Cauchy).expect("k and m are in range")
}

fn encoded(k: usize, m: usize, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    encoded_by(&code(k, m), data)
}

fn encoded_by(code: &ReedSolomon, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut parity = vec![vec![0xA5; data[0].len()]; code.parity_shards()];
    code.encode(data, &mut parity).expect("the shards fit");
    parity
}

/// What a code is made of besides k and m.
fn make() -> impl Strategy<Value = (Matrix, Engine)> {
    (prop::sample::select(Matrix::ALL.to_vec()), prop::sample::select(Engine::usable()))
}

fn code_of(k: usize, m: usize, (matrix, engine): (Matrix, Engine)) -> ReedSolomon {
    ReedSolomon::with_engine(k, m, matrix, engine).expect("k and m are in range")
}

/// k, m and k shards of data; small codes mostly, now and then one of up to 256 shards.
fn group() -> impl Strategy<Value = (usize, usize, Vec<Vec<u8>>)> {
    let small = (1_usize..=20, 0_usize..=12);
    let wide = (1_usize..=256).prop_flat_map(|k| (Just(k), 0..=256 - k));
    prop_oneof![4 => small.boxed(), 1 => wide.boxed()]
        .prop_flat_map(|(k, m)| (Just(k), Just(m), 0_usize..70))
        .prop_flat_map(|(k, m, length)| (Just(k), Just(m), vec(vec(any::<u8>(), length), k)))
}

fn group_with_losses() -> impl Strategy<Value = (usize, usize, Vec<Vec<u8>>, Vec<usize>)> {
    group().prop_flat_map(|(k, m, data)| {
        let lost = subsequence((0..k + m).collect::<Vec<_>>(), 0..=m);
        (Just(k), Just(m), Just(data), lost)
    })
}

proptest! {
    // Enough for each matrix on each engine.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn parity_is_that_of_the_definition((k, m, data) in group(), (_, engine) in make()) {
        let code = code_of(k, m, (Matrix::Cauchy, engine));
        prop_assert_eq!(encoded_by(&code, &data), parity_by_definition(k, m, &data));
    }

    #[test]
    fn any_m_losses_come_back((k, m, data, lost) in group_with_losses(), make in make()) {
        let code = code_of(k, m, make);
        let whole: Vec<Vec<u8>> = data.iter().cloned().chain(encoded_by(&code, &data)).collect();
        let mut shards = whole.clone();
        let mut present = vec![true; k + m];
        for &shard in &lost {
            shards[shard].fill(0xEE);
            present[shard] = false;
        }
        code.reconstruct(&mut shards, &present).expect("k shards are left");
        prop_assert_eq!(&shards, &whole);
        // Again, from memory, and only one of them.
        if let Some(&first) = lost.first() {
            for &shard in &lost {
                shards[shard].fill(0xEE);
            }
            let wanted: Vec<bool> = (0..k + m).map(|shard| shard == first).collect();
            code.reconstruct_wanted(&mut shards, &present, &wanted).expect("k shards are left");
            prop_assert_eq!(&shards[first], &whole[first]);
            prop_assert!(lost[1..].iter().all(|&shard| shards[shard].iter().all(|&byte| byte == 0xEE)));
        }
    }

    #[test]
    fn shards_added_one_by_one_and_updated_are_encoded((k, m, data) in group(), make in make(), change: u8) {
        let code = code_of(k, m, make);
        let mut parity = vec![vec![0; data[0].len()]; m];
        let mut encoder = Encoder::new(code.clone());
        for (index, shard) in data.iter().enumerate().rev() {
            prop_assert_eq!(encoder.parity(), Err(Error::Incomplete { missing: (0..=index).collect() }));
            code.add(index, shard, &mut parity).expect("the shards fit");
            encoder.add(index, shard).expect("the shards fit");
            prop_assert_eq!(encoder.add(index, shard), Err(Error::Repeated { index }));
        }
        prop_assert_eq!(&parity, &encoded_by(&code, &data));
        prop_assert_eq!(encoder.parity(), Ok(&parity[..]));
        prop_assert_eq!(encoder.add(k, b""), Err(Error::Index { data_shards: k, found: k }));
        let mut changed = data.clone();
        let index = usize::from(change) % k;
        changed[index].iter_mut().for_each(|byte| *byte ^= change);
        code.update(&mut parity, index, &data[index], &changed[index]).expect("the shards fit");
        prop_assert_eq!(&parity, &encoded_by(&code, &changed));
    }

    #[test]
    fn cauchy_isal_is_the_bare_cauchy_matrix((k, m, data) in group()) {
        let code = ReedSolomon::new(k, m, Matrix::CauchyIsal).expect("k and m are in range");
        let coefficient = |i: usize, j: usize| inverse(u8::try_from((k + i) ^ j).expect("below 256"));
        let cell = |i: usize, t: usize| (0..k).fold(0, |sum, j| sum ^ product(coefficient(i, j), data[j][t]));
        let expected: Vec<Vec<u8>> = (0..m).map(|i| (0..data[0].len()).map(|t| cell(i, t)).collect()).collect();
        prop_assert_eq!(encoded_by(&code, &data), expected);
    }

    #[test]
    fn vandermonde_is_that_of_reed_solomon_erasure((k, m, data) in group().prop_filter("it wants some", |(_, m, data)| *m > 0 && !data[0].is_empty())) {
        let peer = reed_solomon_erasure::galois_8::ReedSolomon::new(k, m).expect("k and m are in range");
        let mut shards: Vec<Vec<u8>> = data.iter().cloned().chain((0..m).map(|_| vec![0; data[0].len()])).collect();
        peer.encode(&mut shards).expect("the shards fit");
        let code = ReedSolomon::new(k, m, Matrix::Vandermonde).expect("k and m are in range");
        prop_assert_eq!(encoded_by(&code, &data), &shards[k..]);
    }

    #[test]
    fn encoding_is_linear((k, m, data) in group(), factor: u8, seed: u8) {
        let map = |shards: &[Vec<u8>], f: &dyn Fn(usize, u8) -> u8| -> Vec<Vec<u8>> {
            shards.iter().map(|shard| shard.iter().enumerate().map(|(t, &b)| f(t, b)).collect()).collect()
        };
        let other = map(&data, &|t, b| product(b, seed) ^ t.to_le_bytes()[0]);
        let sum = |a: &[Vec<u8>], b: &[Vec<u8>]| -> Vec<Vec<u8>> {
            a.iter().zip(b).map(|(x, y)| x.iter().zip(y).map(|(p, q)| product(*p, factor) ^ q).collect()).collect()
        };
        let of_sum = encoded(k, m, &sum(&data, &other));
        prop_assert_eq!(of_sum, sum(&encoded(k, m, &data), &encoded(k, m, &other)));
    }

    #[test]
    fn one_parity_shard_is_xor((k, _, data) in group().prop_filter("k + 1 <= 256", |group| group.0 < 256)) {
        let xor = (0..data[0].len()).map(|t| data.iter().fold(0, |sum, shard| sum ^ shard[t])).collect::<Vec<u8>>();
        prop_assert_eq!(encoded(k, 1, &data), vec![xor]);
    }

    #[test]
    fn verify_sees_changes_in_up_to_m_shards(
        (k, m, data, changed) in group_with_losses(),
        make in make(),
        at: prop::sample::Index,
        changes in vec(1_u8.., 256),
    ) {
        let code = code_of(k, m, make);
        let mut shards: Vec<Vec<u8>> = data.iter().cloned().chain(encoded_by(&code, &data)).collect();
        prop_assert_eq!(code.verify(&shards), Ok(true));
        if !changed.is_empty() && !data[0].is_empty() {
            for &shard in &changed {
                shards[shard][at.index(data[0].len())] ^= changes[shard];
            }
            prop_assert_eq!(code.verify(&shards), Ok(false));
        }
    }
}

#[test]
fn long_shards_are_worked_in_blocks() {
    let length = 3 * 8 * 1024 + 5;
    let shard = |j: usize| (0..length).map(|t| ((t * (j + 3)) >> 2).to_le_bytes()[0]).collect();
    let data: Vec<Vec<u8>> = (0..4).map(shard).collect();
    let mut shards: Vec<Vec<u8>> = data.iter().cloned().chain(encoded(4, 2, &data)).collect();
    assert_eq!(shards[4..], parity_by_definition(4, 2, &data));
    assert_eq!(code(4, 2).verify(&shards), Ok(true));
    shards[5][length - 1] ^= 1;
    assert_eq!(code(4, 2).verify(&shards), Ok(false));
}

#[test]
fn parameters_out_of_range_are_refused() {
    for (k, m) in [(0, 0), (0, 5), (1, 256), (257, 0), (128, 129), (usize::MAX, usize::MAX)] {
        let refusal = ReedSolomon::new(k, m, Matrix::Cauchy).map(|_| ());
        assert_eq!(refusal, Err(Error::CodeParameters { data_shards: k, parity_shards: m }));
    }
    for (k, m) in [(1, 0), (256, 0), (1, 255), (255, 1)] {
        assert_eq!(code(k, m).total_shards(), k + m);
    }
}

#[test]
fn shards_that_do_not_fit_are_refused_and_left_alone() {
    let code = code(2, 1);
    let mut parity = vec![vec![7; 4]];
    let short = code.encode(&[vec![1; 4]], &mut parity);
    assert_eq!(short, Err(Error::Count { what: "data shards", expected: 2, found: 1 }));
    let ragged = code.encode(&[vec![1; 4], vec![1; 5]], &mut parity);
    assert_eq!(ragged, Err(Error::ShardLength { expected: 4, found: 5 }));
    assert_eq!(parity, [[7; 4]]);

    let mut shards = vec![vec![7; 4]; 3];
    let few = code.reconstruct(&mut shards, &[true, false, false]);
    assert_eq!(few, Err(Error::TooFewShards { have: 1, need: 2 }));
    let flags = code.reconstruct(&mut shards, &[true, false]);
    assert_eq!(flags, Err(Error::Count { what: "presence flags", expected: 3, found: 2 }));
    assert_eq!(shards, vec![vec![7; 4]; 3]);
}
