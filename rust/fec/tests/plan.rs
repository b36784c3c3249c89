//! The least parity, held against an oracle that counts every pattern of losses.

use honeylink_fec::{Plan, PlanError, plan};
use proptest::prelude::*;

/// The probability that more than `parity` of `packets` are lost, as a sum over all patterns.
fn failure_by_patterns(packets: usize, parity: usize, loss: f64, burst: Option<f64>) -> f64 {
    let lost_after = |was_lost: bool| match burst {
        None => loss,
        Some(burst) if was_lost => 1.0 - 1.0 / burst,
        Some(burst) => loss / (1.0 - loss) / burst,
    };
    let chance = |lost: bool, probability: f64| if lost { probability } else { 1.0 - probability };
    let patterns = (0_u32..1 << packets).filter(|pattern| pattern.count_ones() as usize > parity);
    patterns
        .map(|pattern| {
            let is_lost = |packet: usize| pattern >> packet & 1 == 1;
            (1..packets).fold(chance(is_lost(0), loss), |product, packet| {
                product * chance(is_lost(packet), lost_after(is_lost(packet - 1)))
            })
        })
        .sum()
}

/// A loss, and perhaps a mean burst that it allows.
fn link() -> impl Strategy<Value = (f64, Option<f64>)> {
    let burst = |loss: f64| (1.0 / (1.0 - loss)..50.0).prop_map(Some);
    (0.0..0.9_f64).prop_flat_map(move |loss| (Just(loss), prop_oneof![Just(None), burst(loss)]))
}

proptest! {
    #[test]
    fn parity_is_the_least_of_all_patterns(
        (loss, burst) in link(), k in 1_usize..6, target in 0.0..0.9999_f64,
    ) {
        if let Ok(Plan { data_shards, parity_shards, recovery }) = plan(loss, target, k, burst)
            && k + parity_shards <= 12
        {
            let recovery_of = |m| 1.0 - failure_by_patterns(k + m, m, loss, burst);
            prop_assert_eq!(data_shards, k);
            prop_assert!((recovery - recovery_of(parity_shards)).abs() < 1e-12);
            prop_assert!(recovery >= target);
            prop_assert!(parity_shards == 0 || recovery_of(parity_shards - 1) < target + 1e-12);
        }
    }

    #[test]
    fn a_higher_target_takes_no_less_parity(
        (loss, burst) in link(), k in 1_usize..=256, a in 0.0..1.0_f64, b in 0.0..1.0_f64,
    ) {
        let parity = |target| plan(loss, target, k, burst).map_or(usize::MAX, |plan| plan.parity_shards);
        prop_assert!(parity(a.min(b)) <= parity(a.max(b)));
    }

    #[test]
    fn more_loss_takes_no_less_parity(
        a in 0.0..0.9_f64, b in 0.0..0.9_f64, k in 1_usize..=100, target in 0.0..1.0_f64,
    ) {
        let parity = |loss| plan(loss, target, k, None).map_or(usize::MAX, |plan| plan.parity_shards);
        prop_assert!(parity(a.min(b)) <= parity(a.max(b)));
    }

    #[test]
    fn what_a_plan_gives_can_be_asked_for((loss, burst) in link(), k in 1_usize..=256, target in 0.0..1.0_f64) {
        match plan(loss, target, k, burst) {
            Ok(found) => prop_assert_eq!(plan(loss, found.recovery, k, burst), Ok(found)),
            Err(PlanError::Unreachable { best, .. }) => prop_assert!(plan(loss, best, k, burst).is_ok()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn bursts_as_long_as_chance_makes_them_are_chance(loss in 0.0..0.9_f64, target in 0.0..0.999_f64) {
        let chance = plan(loss, target, 10, None).map(|plan| plan.parity_shards);
        let chain = plan(loss, target, 10, Some(1.0 / (1.0 - loss))).map(|plan| plan.parity_shards);
        prop_assert_eq!(chance.ok(), chain.ok());
    }
}

fn parity(loss: f64, target: f64, burst: Option<f64>) -> Option<usize> {
    plan(loss, target, 10, burst).ok().map(|plan| plan.parity_shards)
}

#[test]
fn a_link_without_loss_needs_no_parity() {
    for burst in [None, Some(1.0), Some(1e300)] {
        let certain = Plan { data_shards: 10, parity_shards: 0, recovery: 1.0 };
        assert_eq!(plan(0.0, 1.0, 10, burst), Ok(certain));
    }
}

#[test]
fn a_link_that_loses_all_is_beyond_parity() {
    assert_eq!(plan(1.0, 1e-300, 1, None), Err(PlanError::Unreachable { best: 0.0, target: 1e-300 }));
    assert_eq!(parity(1.0, 0.0, None), Some(0));
    assert_eq!(plan(1.0, 0.5, 1, Some(1e9)), Err(PlanError::Burst { least: f64::INFINITY, found: 1e9 }));
}

#[test]
fn certainty_is_where_more_than_m_can_not_be_lost() {
    // Far less than a float can tell from 0, and still not never.
    assert_eq!(
        plan(1e-9, 1.0, 1, None),
        Err(PlanError::Unreachable { best: 1.0_f64.next_down(), target: 1.0 })
    );
    assert_eq!(parity(0.3, 1.0, Some(2.0)), None);
    // Never two in a row: of 19 packets ten may be lost, of 20 too.
    assert_eq!(parity(0.3, 1.0, Some(1.0)), Some(10));
    assert_eq!(parity(0.5, 1.0, Some(1.0)), Some(10));
}

#[test]
fn targets_near_one_are_told_apart() {
    // One data shard is lost with all of its parity: with a probability of loss^(m + 1).
    for nines in 1..=14_i32 {
        let failure = 10_f64.powi(-nines);
        let just_above = plan(0.1, 1.0 - failure * 1.01, 1, None).map(|plan| plan.parity_shards);
        assert_eq!(just_above.ok(), usize::try_from(nines - 1).ok());
    }
}

#[test]
fn a_burst_is_as_long_as_its_loss_makes_it() {
    assert_eq!(plan(0.6, 0.5, 10, Some(1.4)), Err(PlanError::Burst { least: 0.6 / 0.4, found: 1.4 }));
    // The shortest there are, whichever way they were rounded.
    for (loss, burst) in [(0.6, 1.5), (0.75, 3.0), (0.8, 4.0), (0.9, 9.0), (0.95, 19.0), (0.99, 99.0)] {
        assert!(!matches!(plan(loss, 0.5, 1, Some(burst)), Err(PlanError::Burst { .. })), "{loss}, {burst}");
    }
    for burst in [0.0, -1.0, 0.999, f64::INFINITY] {
        assert_eq!(plan(0.1, 0.5, 10, Some(burst)), Err(PlanError::Burst { least: 1.0, found: burst }));
    }
    assert!(plan(0.1, 0.5, 10, Some(f64::NAN)).is_err());
}

#[test]
fn what_is_no_probability_is_refused_by_its_name() {
    for found in [-1e-300, 1.0_f64.next_up(), f64::INFINITY] {
        assert_eq!(plan(found, 0.5, 10, None), Err(PlanError::Probability { name: "loss", found }));
        assert_eq!(plan(0.5, found, 10, None), Err(PlanError::Probability { name: "target", found }));
    }
    for (loss, target) in [(f64::NAN, 0.5), (0.5, f64::NAN)] {
        assert!(matches!(plan(loss, target, 10, None), Err(PlanError::Probability { .. })));
    }
}

#[test]
fn a_group_has_up_to_256_shards() {
    for found in [0, 257, usize::MAX] {
        assert_eq!(plan(0.1, 0.5, found, None), Err(PlanError::DataShards { found }));
    }
    assert_eq!(plan(0.0, 1.0, 256, None).map(|plan| plan.parity_shards), Ok(0));
    assert!(matches!(plan(0.01, 0.99, 256, None), Err(PlanError::Unreachable { best, .. }) if best < 0.08));
    assert_eq!(plan(0.9, 0.99999, 1, None).map(|plan| plan.parity_shards), Ok(109));
}
