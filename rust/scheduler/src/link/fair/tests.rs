//! Both ways of sharing against their definitions, looking at every child for each turn.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{Account, Child, Fair, UNIT, is_after};

const LARGEST_BYTES: u32 = 1514;

#[derive(Clone, Debug)]
enum Step {
    Enter(Index),
    Serve(u32, bool),
    ChargeOutOfTurn(Index, u32, bool),
    Weigh(Index, u32),
    Admit(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop_oneof![Just(64_u32), 1..=LARGEST_BYTES];
    prop_oneof![
        6 => any::<Index>().prop_map(Step::Enter),
        40 => (bytes(), prop::bool::weighted(0.9)).prop_map(|(bytes, stays)| Step::Serve(bytes, stays)),
        1 => (any::<Index>(), bytes(), any::<bool>()).prop_map(|(at, bytes, stays)| Step::ChargeOutOfTurn(at, bytes, stays)),
        1 => (any::<Index>(), weight()).prop_map(|(at, weight)| Step::Weigh(at, weight)),
        1 => weight().prop_map(Step::Admit),
    ]
}

/// Weights of very different sizes, so that there are many groups.
fn weight() -> impl Strategy<Value = u32> {
    (0_u32..12, 1_u32..4).prop_map(|(shift, factor)| factor << shift)
}

/// Any weights; or one light child among many that are all as heavy, which can hold it up for longer than its turn.
fn weights() -> impl Strategy<Value = Vec<u32>> {
    let one_among = (2_usize..60, 2_u32..9).prop_map(|(count, heavy)| {
        let mut weights = vec![heavy; count];
        weights[0] = 1;
        weights
    });
    prop_oneof![vec(weight(), 2..40), one_among]
}

/// Children and who of them is in the share.
struct Model {
    fair: Fair,
    weights: Vec<u32>,
    is_in: Vec<bool>,
}

impl Model {
    fn new(weights: &[u32]) -> Self {
        let mut model = Self { fair: Fair::new(LARGEST_BYTES), weights: Vec::new(), is_in: Vec::new() };
        for &weight in weights {
            model.make(&Step::Admit(weight));
        }
        model
    }

    /// It starts now, or where its last turn ended if that is ahead by a turn or less.
    fn enter(&mut self, place: u32) {
        let (before, now) = (*self.fair.account(place), self.fair.clock.now);
        let is_ahead = is_after(before.start, now) && before.start - now <= before.turn(&self.fair.clock);
        self.fair.enter(place);
        self.is_in[place as usize] = true;
        let start = self.fair.account(place).start;
        assert!(!is_after(now, start), "it starts {} in the past", now.wrapping_sub(start));
        assert!(!is_ahead || start == before.start, "it starts {} earlier", before.start.wrapping_sub(start));
    }

    /// Virtual time goes on by what the bytes take when all children have something to send.
    fn serve(&mut self, place: u32, bytes: u32, stays: bool) {
        let weights: u64 = self.weights.iter().map(|&weight| u64::from(weight)).sum();
        let from = self.fair.clock.now;
        self.fair.serve(place, bytes, stays);
        self.is_in[place as usize] = stays;
        let (passed, expected) = (self.fair.clock.now.wrapping_sub(from), UNIT * u64::from(bytes) / weights);
        assert!(passed.abs_diff(expected) <= 1, "{passed} passed instead of {expected}");
    }

    fn pick(&self, index: Index, is_in: bool) -> Option<u32> {
        let places: Vec<u32> =
            (0..).zip(&self.is_in).filter(|&(_, &is)| is == is_in).map(|(at, _)| at).collect();
        (!places.is_empty()).then(|| places[index.index(places.len())])
    }

    fn make(&mut self, step: &Step) {
        match *step {
            Step::Enter(index) => {
                let Some(place) = self.pick(index, false) else { return };
                self.enter(place);
            }
            Step::Serve(bytes, stays) => {
                let Some(place) = self.check_first() else { return };
                self.serve(place, bytes, stays);
            }
            Step::ChargeOutOfTurn(index, bytes, stays) => {
                let Some(place) = self.pick(index, true) else { return };
                let before = *self.fair.account(place);
                self.fair.charge_out_of_turn(place, bytes, stays);
                self.is_in[place as usize] = stays;
                // Leaving is no way out of a debt of up to a packet.
                let debt = if stays { 0 } else { LARGEST_BYTES.min(before.debt_bytes + bytes) };
                let passed = self.fair.account(place).start.wrapping_sub(before.start);
                assert_eq!(passed, before.inverse * u64::from(debt));
            }
            Step::Weigh(index, weight) => {
                let place = index.index(self.weights.len()) as u32;
                let old = core::mem::replace(&mut self.weights[place as usize], weight);
                let (before, now) = (*self.fair.account(place), self.fair.clock.now);
                self.fair.weigh(place, old, weight, self.is_in[place as usize]);
                self.check_weighed(before, now, place);
            }
            Step::Admit(weight) => {
                let place = self.weights.len() as u32;
                assert_eq!(self.fair.admit(Child::Stream(place), weight), place);
                self.weights.push(weight);
                self.is_in.push(false);
            }
        }
    }

    /// Who is in the share stays as many bytes ahead or behind: to a byte, or as far ahead as a turn may be.
    fn check_weighed(&mut self, before: Account, now: u64, place: u32) {
        if !self.is_in[place as usize] {
            return;
        }
        let largest = i128::from(LARGEST_BYTES);
        let bytes = |account: &Account| {
            i128::from(account.start.wrapping_sub(now).cast_signed()) / i128::from(account.inverse)
        };
        let (expected, found) = (bytes(&before), bytes(self.fair.account(place)));
        assert!(
            found == expected.min(found.max(largest)) || found.abs_diff(expected) <= 1,
            "{found} for {expected}"
        );
    }

    /// Whose turn it is, which must be who the definition says.
    fn check_first(&mut self) -> Option<u32> {
        let first = self.fair.first();
        let is_empty = self.is_in.iter().all(|&is| !is);
        assert_eq!(first.is_none(), is_empty, "somebody is first if anybody is there");
        let Some(Child::Stream(place)) = first else { return None };
        assert!(self.is_in[place as usize], "who is first is in the share");
        let accounts: Vec<Account> =
            (0..).zip(&self.is_in).filter(|&(_, &is)| is).map(|(at, _)| *self.fair.account(at)).collect();
        let chosen = *self.fair.account(place);
        if self.fair.many.is_some() {
            self.check_groups(chosen, &accounts);
        } else {
            self.check_children(chosen, &accounts);
        }
        Some(place)
    }

    /// WF2Q+: of those whose turn has begun, the one whose turn ends first.
    fn check_children(&self, chosen: Account, all: &[Account]) {
        let clock = &self.fair.clock;
        let end = |account: &Account| account.start.wrapping_add(account.turn(clock));
        assert!(!is_after(chosen.start, clock.now), "its turn has begun");
        for other in all.iter().filter(|other| !is_after(other.start, clock.now)) {
            assert!(!is_after(end(&chosen), end(other)), "{other:?} ends before {chosen:?}");
        }
    }

    /// QFQ: of the groups whose first slot has begun, the one whose first slot ends first, and a child in that slot. A
    /// group ends two slots after it starts.
    fn check_groups(&self, chosen: Account, all: &[Account]) {
        let clock = &self.fair.clock;
        let mut starts = BTreeMap::new();
        for account in all {
            let shift = account.shift(clock);
            let start = account.start >> shift << shift;
            let first = starts.entry(shift).or_insert(start);
            if is_after(*first, start) {
                *first = start;
            }
        }
        let shift = chosen.shift(clock);
        let start = chosen.start >> shift << shift;
        assert_eq!(start, starts[&shift], "it is in the first slot of its group");
        assert!(!is_after(start, clock.now), "its group has begun");
        for (other, &begin) in starts.iter().filter(|&(_, &begin)| !is_after(begin, clock.now)) {
            let (end, other_end) = (start.wrapping_add(2 << shift), begin.wrapping_add(2 << other));
            assert!(
                !is_after(end, other_end),
                "group {other} ends {} before {shift}",
                end.wrapping_sub(other_end)
            );
        }
    }
}

proptest! {
    #![proptest_config(crate::cases::cases(3000))]

    #[test]
    fn whose_turn_it_is_is_who_the_definition_says(
        weights in weights(), all_enter in any::<bool>(), steps in vec(step(), 1..300),
    ) {
        let mut model = Model::new(&weights);
        (0..if all_enter { weights.len() as u32 } else { 0 }).for_each(|place| model.enter(place));
        for step in &steps {
            model.make(step);
        }
        while let Some(place) = model.check_first() {
            model.serve(place, LARGEST_BYTES, false);
        }
    }
}

/// Two children of the same weight among idle ones: what was sent out of turn is paid with as many turns, sixteen at most.
#[test]
fn a_debt_is_paid_to_the_last_packet_unless_it_is_too_large() {
    for (count, packets, paid) in [(2, 5, 5), (20, 5, 5), (2, 1000, 16), (20, 1000, 16)] {
        let mut model = Model::new(&vec![1000; count]);
        (0..2).for_each(|place| model.enter(place));
        (0..packets).for_each(|_| model.fair.charge_out_of_turn(0, LARGEST_BYTES, true));
        let mut turns = Vec::new();
        for _ in 0..paid + 24 {
            let place = model.check_first().expect("both are in the share");
            model.serve(place, LARGEST_BYTES, true);
            turns.push(place);
        }
        let of_others = turns.iter().filter(|&&place| place == 1).count();
        let half = of_others - paid;
        assert!((11..=13).contains(&half), "{turns:?}: what is paid, and half of the other 24");
    }
}

/// All have something to send all the time. However long that is, who comes then waits for a turn and no longer.
#[test]
fn time_does_not_run_away_from_who_is_served() {
    const WEIGHT: u32 = 134_201_347; // UNIT / WEIGHT is just below a whole number
    for count in [2, 20] {
        let mut model = Model::new(&vec![WEIGHT; count]);
        (0..count as u32).for_each(|place| model.enter(place));
        for _ in 0..200_000 {
            let place = model.check_first().expect("all are in the share");
            model.serve(place, LARGEST_BYTES, true);
        }
        for place in 0..count as u32 {
            let (account, clock) = (*model.fair.account(place), &model.fair.clock);
            let behind = clock.now.wrapping_sub(account.start).cast_signed();
            let turn = account.turn(clock).cast_signed();
            assert!(behind <= turn, "{behind} behind, with turns of {turn}");
        }
    }
}

/// Two come back between two packets, first the one whose turn begins later: time waits for the other one.
#[test]
fn time_goes_on_no_sooner_than_it_has_to() {
    let mut model = Model::new(&[1, 6]);
    for place in [0, 1] {
        model.enter(place);
        assert_eq!(model.check_first(), Some(place));
        model.serve(place, LARGEST_BYTES, false);
    }
    let start = model.fair.account(1).start;
    model.enter(0);
    model.enter(1);
    assert_eq!(model.fair.account(1).start, start);
    assert_eq!(model.check_first(), Some(1));
}
