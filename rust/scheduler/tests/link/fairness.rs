//! The share against the worst-case fairness bounds: while a child has something to send, it is never further behind its
//! part φ of what its class sends. Among few children that is the largest packet L on the link, and one more since a
//! packet counts as a whole when it starts (WF2Q+ has the largest packet of the child itself, which is less, but here each
//! is taken to be a largest one); among many it is 3 φσ + 2 φL, as in QFQ, with σ the slot of the child's group, and here
//! 3 φL, since a packet that is sent while weights change is charged by those of its start.

use honeylink_scheduler::{LinkOptions, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    run::{self, FEW, Sent, Tree, add_overhead, any_arrivals, any_tree},
};

/// A child of a class: which streams are inside it, and what it weighs from which moments on.
struct Child {
    streams: Vec<usize>,
    weights: Vec<(u64, u32)>,
}

impl Child {
    fn weight(&self, at_ns: u64) -> f64 {
        let since = self.weights.iter().rev().find(|(from_ns, _)| *from_ns <= at_ns);
        f64::from(since.unwrap_or(&self.weights[0]).1)
    }
}

/// The children of each class, by what the tree's nodes weigh.
fn families(tree: &Tree, weights: &[Vec<(u64, u32)>]) -> Vec<Vec<Child>> {
    let family = |class: usize| {
        let classes = tree.classes.iter().enumerate().filter(|(_, (parent, _))| *parent == class);
        let of_classes = classes.map(|(index, _)| {
            let is_descendant = |stream: &usize| tree.path(*stream).contains(&index);
            Child {
                streams: (0..tree.streams.len()).filter(is_descendant).collect(),
                weights: weights[index].clone(),
            }
        });
        let streams = tree.streams.iter().enumerate().filter(|(_, (parent, _))| *parent == class);
        let of_streams = streams.map(|(index, _)| {
            let weights = weights[tree.classes.len() + index].clone();
            Child { streams: vec![index], weights }
        });
        of_classes.chain(of_streams).collect()
    };
    (0..=tree.classes.len()).map(family).collect()
}

/// What one of `count` children may be behind, in bytes.
fn bound(count: usize, weight: f64, weights: f64, largest_bytes: f64) -> f64 {
    const UNIT: f64 = (1_u64 << 40) as f64;
    if count <= FEW {
        // Virtual time has a unit; its rounding is less than a byte.
        return 2.0 * largest_bytes + 1.0;
    }
    let slot = 2_f64.powf((UNIT / weight * largest_bytes).log2().ceil());
    3.0 * (slot * weight / UNIT + 1.0) + 3.0 * largest_bytes * weight / weights
}

fn check(
    tree: &Tree,
    weights: &[Vec<(u64, u32)>],
    arrivals: &[run::Arrival],
    all: &[(usize, Sent)],
) -> Result<(), String> {
    let largest_bytes = f64::from(1514 + tree.overhead_bytes);
    for family in families(tree, weights) {
        let count = family.len() + tree.idle_streams;
        let of_family: Vec<usize> = family.iter().flat_map(|child| child.streams.clone()).collect();
        for child in &family {
            let (mut queued, mut arrived) = (0_usize, 0);
            let (mut behind, mut least, mut most) = (0.0, 0.0_f64, 0.0_f64);
            for (stream, sent) in all {
                while arrived < arrivals.len() && arrivals[arrived].at_ns <= sent.start_ns {
                    queued += usize::from(child.streams.contains(&arrivals[arrived].stream));
                    arrived += 1;
                }
                let at_ns = sent.start_ns;
                let of_all =
                    family.iter().map(|child| child.weight(at_ns)).sum::<f64>() + tree.idle_streams as f64;
                if queued == 0 {
                    (behind, least, most) = (0.0, 0.0, 0.0);
                } else if of_family.contains(stream) {
                    behind += f64::from(sent.size) * child.weight(at_ns) / of_all;
                }
                if child.streams.contains(stream) {
                    behind -= f64::from(sent.size);
                    queued -= 1;
                }
                least = least.min(behind);
                most = most.max(bound(count, child.weight(at_ns), of_all, largest_bytes));
                if behind - least > most {
                    return Err(format!(
                        "{:?} is {} bytes behind at {sent:?}",
                        child.weights,
                        behind - least
                    ));
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    /// Weights change while packets are queued: what a child is behind it stays.
    #[test]
    fn no_child_falls_behind(
        tree in any_tree(false), drawn in any_arrivals(250), changes in vec((any::<Index>(), 1_u32..20), 0..12),
    ) {
        let (mut link, classes, handles) = tree.build_all(LinkOptions::default());
        let mut arrivals = run::arrivals(&drawn, handles.len());
        let mut weights: Vec<Vec<(u64, u32)>> = tree.weights().map(|weight| vec![(0, weight)]).collect();
        let mut model = tree.clone();
        let (sent, _) = run::play_changing(&mut link, &handles, &arrivals, &changes, |link, (node, weight), now_ns| {
            let node = node.index(weights.len());
            weights[node].push((now_ns, weight * 100));
            model.reweigh(link, &classes, &handles, node, weight * 100);
        });
        let mut all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        add_overhead(tree.overhead_bytes, &mut arrivals, &mut all);
        prop_assert_eq!(check(&tree, &weights, &arrivals, &all), Ok(()));
    }
}

/// One of two streams always has something queued; the other has one packet at a time, and brings the next one just as
/// that is sent. Whoever leaves the share does not come back ahead of its turn, so it gets half at most, though virtual
/// time hardly goes on, as there are idle streams of far more weight.
#[test]
fn coming_and_going_brings_no_more() {
    // Among many, who comes back a slot and more ahead is put a slot ahead.
    for (idle_streams, most) in [(0, 101), (FEW, 112)] {
        let stream = |weight| (0, StreamConfig { weight: Some(weight), ..StreamConfig::default() });
        let streams = vec![stream(1), stream(1), stream(1_000)];
        let tree = Tree { rate_kbps: 10_000, overhead_bytes: 0, idle_streams, classes: Vec::new(), streams };
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
        assert!((98..=most).contains(&of_other), "{of_other} of 200 with {idle_streams} idle streams");
    }
}
