//! What holds whatever is sent, and whatever becomes of it.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    endpoints::{decoder, encoder, end, receive, send},
    packet_script::{self, group_of, later},
};

/// How a packet is sent, and what the link does to its group's datagrams.
#[derive(Clone, Debug)]
struct Sending {
    packet: Vec<u8>,
    /// Whether the group is ended after it, full or not.
    ends_group: bool,
}

fn sendings() -> impl Strategy<Value = Vec<Sending>> {
    let sending = (vec(any::<u8>(), 0..40), prop::bool::weighted(0.15));
    vec(sending.prop_map(|(packet, ends_group)| Sending { packet, ends_group }), 1..80)
}

/// What the link does to one datagram: how late it comes, how late it comes again, whether it would rather be lost.
type Fate = (Index, Index, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn all_comes_back_in_order_when_no_group_loses_more_than_m(
        (k, m, window) in (1_usize..8, 0_usize..4, 1_usize..6),
        sendings in sendings(),
        fates in vec(any::<Fate>(), 400),
        wraps: bool,
    ) {
        let first = if wraps { u32::MAX - 3 } else { 0 };
        let mut encoder = encoder(k, m);
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for Sending { packet, ends_group } in &sendings {
            datagrams.extend(send(&mut encoder, packet));
            if *ends_group {
                datagrams.extend(end(&mut encoder));
            }
        }
        datagrams.extend(end(&mut encoder));
        for datagram in &mut datagrams {
            *datagram = later(datagram, first);
        }

        // Each group loses the first m datagrams that fate would have lost. The others are late by less than a window,
        // and some come again. A joined stream starts where it is joined, so its first datagram is first.
        let mut lost = HashMap::new();
        let mut arrivals: Vec<(usize, usize)> = Vec::new();
        let mut repeated = 0;
        for (at, (datagram, (delay, again, is_unlucky))) in datagrams.iter().zip(fates.iter().cycle()).enumerate() {
            let group = group_of(datagram).wrapping_sub(first) as usize;
            let is_first = wraps && at == 0;
            // Without any of its parity nobody can know that a group was short.
            let [_, index, real_k, ..] = datagram[..] else { unreachable!("a datagram has a header") };
            let tells_the_end = index == real_k && usize::from(real_k) < k;
            let losses = lost.entry(group).or_insert(0);
            if *is_unlucky && *losses < m && !is_first && !tells_the_end {
                *losses += 1;
                continue;
            }
            arrivals.push((group + if is_first { 0 } else { delay.index(window) }, at));
            if again.index(3 * window) < window {
                arrivals.push((group + again.index(3 * window), at));
                repeated += 1;
            }
        }
        arrivals.sort_by_key(|&(when, _)| when);

        let mut decoder = decoder(window);
        let packets = receive(&mut decoder, arrivals.iter().map(|&(_, at)| &datagrams[at]));
        let sent: Vec<Vec<u8>> = sendings.into_iter().map(|sending| sending.packet).collect();
        prop_assert_eq!(packets, sent);
        let stats = decoder.stats();
        prop_assert_eq!(stats.received, arrivals.len() as u64);
        prop_assert_eq!((stats.damaged, stats.late, stats.given_up), (0, 0, 0));
        prop_assert_eq!(stats.duplicate, repeated);
    }

    #[test]
    fn no_script_of_bytes_breaks_a_promise(script in vec(any::<u8>(), 0..1500)) {
        packet_script::run(&script);
    }

    #[test]
    fn changed_datagrams_are_damaged(packet in vec(any::<u8>(), 0..50), at: Index, change in vec(any::<u8>(), 1..9)) {
        let datagram = &send(&mut encoder(2, 1), packet)[0];
        let mut changed = datagram.clone();
        let at = at.index(changed.len());
        changed.iter_mut().skip(at).zip(&change).for_each(|(byte, change)| *byte ^= change);
        prop_assume!(changed != *datagram);
        let mut decoder = decoder(4);
        prop_assert!(receive(&mut decoder, [changed]).is_empty());
        prop_assert_eq!(decoder.stats().damaged, 1);
    }
}
