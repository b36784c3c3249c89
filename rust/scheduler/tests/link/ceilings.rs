//! Ceilings, work conservation and the exact next event.

use honeylink_scheduler::LinkOptions;
use proptest::prelude::*;

use super::{
    replay::Replay,
    run::{self, BYTE, Sent, Tree, any_arrivals, any_tree},
};

/// In any window a ceiling lets through `ceil * window + burst + one packet`, at most.
fn check_windows(kbps: u64, burst_bytes: u32, sent: &[Sent]) -> Result<(), String> {
    for (first, begin) in sent.iter().enumerate() {
        let mut bytes = 0;
        for end in &sent[first..] {
            bytes += u128::from(end.size);
            let window_ns = u128::from(end.start_ns - begin.start_ns);
            let most = u128::from(kbps) * window_ns + u128::from(burst_bytes + 1514) * BYTE;
            if bytes * BYTE > most {
                return Err(format!("{bytes} bytes in {window_ns} ns from {begin:?}"));
            }
        }
    }
    Ok(())
}

fn check_all_windows(tree: &Tree, all: &[(usize, Sent)]) -> Result<(), String> {
    let of = |is_inside: &dyn Fn(usize) -> bool| -> Vec<Sent> {
        all.iter().filter(|(stream, _)| is_inside(*stream)).map(|&(_, sent)| sent).collect()
    };
    for (index, (_, class)) in tree.classes.iter().enumerate() {
        if let Some(kbps) = class.ceil_kbps {
            let inside = of(&|stream| tree.path(stream).contains(&index));
            check_windows(kbps, class.burst_bytes, &inside)?;
        }
    }
    for (index, (_, stream)) in tree.streams.iter().enumerate() {
        if let Some(kbps) = stream.ceil_kbps {
            check_windows(kbps, stream.burst_bytes, &of(&|other| other == index))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nothing_starts_early_late_or_over_a_ceiling(
        tree in any_tree(true), drawn in any_arrivals(120), rates in prop::collection::vec(0_u64..50, 6),
    ) {
        let mut tree = tree;
        // Small guarantees, which fit under any ceiling, so that both stages are at work.
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
        }
        let (mut link, handles) = tree.build(LinkOptions::default());
        let arrivals = run::arrivals(&drawn, handles.len());
        let sent = run::play(&mut link, &handles, &arrivals);
        let all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        let verdict = Replay::new(&tree).check(&arrivals, &all);
        prop_assert_eq!(verdict, Ok(()));
        prop_assert_eq!(check_all_windows(&tree, &all), Ok(()));
    }
}
