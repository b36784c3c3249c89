//! The share against the worst-case fairness bounds: while a child has something to send, it is never further behind its
//! part φ of what its class sends. Among few children that is the largest packet L on the link, and one more since a
//! packet counts as a whole when it starts (WF2Q+ has the largest packet of the child itself, which is less, but here each
//! is taken to be a largest one); among many it is 3 φσ + 2 φL, as in QFQ, with σ the slot of the child's group.

use honeylink_scheduler::{LinkOptions, StreamConfig};
use proptest::prelude::*;

use super::{
    cases::cases,
    run::{self, FEW, Sent, Tree, add_overhead, any_arrivals, any_tree},
};

/// One class: its children, each with its weight and the streams inside it.
struct Family {
    children: Vec<(u128, Vec<usize>)>,
}

fn families(tree: &Tree) -> Vec<Family> {
    let family = |class: usize| {
        let classes = tree.classes.iter().enumerate().filter(|(_, (parent, _))| *parent == class);
        let of_classes = classes.map(|(index, (_, config))| {
            let is_inside = |stream: &usize| tree.path(*stream).contains(&index);
            (config.weight, (0..tree.streams.len()).filter(is_inside).collect())
        });
        let streams = tree.streams.iter().enumerate().filter(|(_, (parent, _))| *parent == class);
        let of_streams = streams.map(|(index, (_, config))| (config.weight, vec![index]));
        let children = of_classes.chain(of_streams);
        Family { children: children.map(|(weight, inside)| (weight.unwrap().into(), inside)).collect() }
    };
    (0..=tree.classes.len()).map(family).collect()
}

/// What one of `count` children may be behind, in bytes times the sum of the weights.
fn bound(count: usize, weight: u128, weights: u128, largest_bytes: u128) -> u128 {
    const UNIT: u128 = 1 << 40;
    if count <= FEW {
        // Virtual time has a unit; its rounding is less than a byte.
        return (2 * largest_bytes + 1) * weights;
    }
    let slot_bytes = (UNIT / weight * largest_bytes).next_power_of_two() * weight / UNIT + 1;
    3 * slot_bytes * weights + 2 * largest_bytes * weight
}

fn check(tree: &Tree, arrivals: &[run::Arrival], all: &[(usize, Sent)]) -> Result<(), String> {
    let largest_bytes = u128::from(1514 + tree.overhead_bytes);
    for family in families(tree) {
        let weights = family.children.iter().map(|(weight, _)| weight).sum::<u128>() + tree.crowd as u128;
        let count = family.children.len() + tree.crowd;
        let of_family: Vec<usize> = family.children.iter().flat_map(|(_, inside)| inside.clone()).collect();
        for (weight, inside) in &family.children {
            let (mut queued, mut arrived) = (0_usize, 0);
            let (mut behind, mut least) = (0_i128, 0_i128);
            for (stream, sent) in all {
                while arrived < arrivals.len() && arrivals[arrived].at_ns <= sent.start_ns {
                    queued += usize::from(inside.contains(&arrivals[arrived].stream));
                    arrived += 1;
                }
                if queued == 0 {
                    (behind, least) = (0, 0);
                } else if of_family.contains(stream) {
                    behind += (u128::from(sent.size) * weight) as i128;
                }
                if inside.contains(stream) {
                    behind -= (u128::from(sent.size) * weights) as i128;
                    queued -= 1;
                }
                least = least.min(behind);
                if behind - least > bound(count, *weight, weights, largest_bytes) as i128 {
                    let bytes = (behind - least) / weights as i128;
                    return Err(format!("weight {weight} of {weights} is {bytes} bytes behind at {sent:?}"));
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn no_child_falls_behind(tree in any_tree(false), drawn in any_arrivals(250)) {
        let (mut link, handles) = tree.build(LinkOptions::default());
        let mut arrivals = run::arrivals(&drawn, handles.len());
        let sent = run::play(&mut link, &handles, &arrivals);
        let mut all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        add_overhead(tree.overhead_bytes, &mut arrivals, &mut all);
        prop_assert_eq!(check(&tree, &arrivals, &all), Ok(()));
    }
}

/// One of two streams always has something queued; the other has one packet at a time, and brings the next one just as
/// that is sent. Whoever leaves the share does not come back ahead of its turn, so it gets half at most, though virtual
/// time hardly goes on, as there are idle streams of far more weight.
#[test]
fn coming_and_going_brings_no_more() {
    // Among many, who comes back a slot and more ahead is put a slot ahead.
    for (crowd, most) in [(0, 101), (FEW, 112)] {
        let stream = |weight| (0, StreamConfig { weight: Some(weight), ..StreamConfig::default() });
        let streams = vec![stream(1), stream(1), stream(1_000)];
        let tree = Tree { rate_kbps: 10_000, overhead_bytes: 0, crowd, classes: Vec::new(), streams };
        let (mut link, handles) = tree.build(LinkOptions::default());
        (0..200).for_each(|_| assert_eq!(run::push(&mut link, handles[0], 1250, 0), 0));
        assert_eq!(run::push(&mut link, handles[1], 1250, 0), 0);
        let mut of_other = 0;
        for number in 0..200 {
            let now_ns = number * 1_000_000;
            let sent = run::take(&mut link, now_ns, 1);
            if sent[0].stream == handles[1] {
                of_other += 1;
                assert_eq!(run::push(&mut link, handles[1], 1250, now_ns), 0);
            }
        }
        assert!((98..=most).contains(&of_other), "{of_other} of 200 with {crowd} idle streams");
    }
}
