//! The share against the worst-case fairness bound of QFQ: while a child has something to send, it is never more than
//! 3 φσ + 2 φL behind its part φ of what its class sends. σ is the slot of its group and L the largest packet.

use honeylink_scheduler::LinkOptions;
use proptest::prelude::*;

use super::run::{self, Sent, Tree, any_arrivals, any_tree};

const LARGEST: u128 = 1514;

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

/// What a child may be behind, in bytes times the sum of the weights.
fn bound(weight: u128, weights: u128) -> u128 {
    const UNIT: u128 = 1 << 40;
    let slot_bytes = (UNIT / weight * LARGEST).next_power_of_two() * weight / UNIT + 1;
    3 * slot_bytes * weights + 2 * LARGEST * weight
}

fn check(tree: &Tree, arrivals: &[run::Arrival], all: &[(usize, Sent)]) -> Result<(), String> {
    for family in families(tree) {
        let weights: u128 = family.children.iter().map(|(weight, _)| weight).sum();
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
                if behind - least > bound(*weight, weights) as i128 {
                    let bytes = (behind - least) / weights as i128;
                    return Err(format!("weight {weight} of {weights} is {bytes} bytes behind at {sent:?}"));
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_child_falls_behind(tree in any_tree(false), drawn in any_arrivals(250)) {
        let (mut link, handles) = tree.build(LinkOptions::default());
        let arrivals = run::arrivals(&drawn, handles.len());
        let sent = run::play(&mut link, &handles, &arrivals);
        let all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        prop_assert_eq!(check(&tree, &arrivals, &all), Ok(()));
    }
}
