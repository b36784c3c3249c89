//! A planner that tries things out: slow, and as close to the words of the documentation as can be.

use honeylink_scheduler::{Charge, Pool, Priority, StreamAsk};

pub fn charged_kbps(charge: Charge, streams: &[StreamAsk], kbps: &[u64]) -> u64 {
    let of_stream = |(stream, &kbps): (&StreamAsk, &u64)| match charge {
        Charge::Payload => kbps,
        // As many kbps as it takes to hold k + m shards for each k of payload.
        Charge::Wire => (0..u64::MAX)
            .find(|sent| sent * stream.data_shards >= kbps * (stream.data_shards + stream.parity_shards))
            .expect("there is no end of numbers"),
    };
    streams.iter().zip(kbps).map(of_stream).sum()
}

pub fn share_kbps(pool: &Pool) -> u64 {
    pool.guaranteed_kbps.unwrap_or(0).min(pool.capacity_kbps)
}

pub fn claim_kbps(pool: &Pool) -> u64 {
    let kept = pool.lend_limit_kbps.map_or(0, |limit| share_kbps(pool).saturating_sub(limit));
    pool.withheld_kbps.max(kept.saturating_sub(pool.reserved_kbps))
}

pub fn is_within_ceiling(pool: &Pool) -> bool {
    let borrowed = pool.borrow_limit_kbps.map_or(u64::MAX, |limit| share_kbps(pool) + limit);
    pool.reserved_kbps + pool.withheld_kbps <= pool.capacity_kbps.min(borrowed)
}

/// The pools of a path after each has been charged, and which of them can't be.
pub fn charge(path: &[Pool], charges_kbps: &[u64]) -> (Vec<Pool>, Vec<usize>) {
    let mut after = path.to_vec();
    let mut over = Vec::new();
    let mut released_kbps = 0;
    for index in 0..path.len() {
        after[index].withheld_kbps -= released_kbps;
        after[index].reserved_kbps += charges_kbps[index];
        if !is_within_ceiling(&path[index]) || !is_within_ceiling(&after[index]) {
            over.push(index);
        }
        let charges_alike = path.get(index + 1).is_some_and(|outer| outer.charge == path[index].charge);
        released_kbps = if charges_alike { claim_kbps(&path[index]) - claim_kbps(&after[index]) } else { 0 };
    }
    (after, over)
}

pub fn charges_kbps(path: &[Pool], streams: &[StreamAsk], kbps: &[u64]) -> Vec<u64> {
    path.iter().map(|pool| charged_kbps(pool.charge, streams, kbps)).collect()
}

pub fn over(path: &[Pool], streams: &[StreamAsk], kbps: &[u64]) -> Vec<usize> {
    charge(path, &charges_kbps(path, streams, kbps)).1
}

pub fn fits(path: &[Pool], streams: &[StreamAsk], kbps: &[u64]) -> bool {
    over(path, streams, kbps).is_empty()
}

/// The largest number below 1000 for which something still holds; 0 need not hold.
pub fn largest(holds: impl Fn(u64) -> bool) -> u64 {
    (1..1000).take_while(|&kbps| holds(kbps)).last().unwrap_or(0)
}

/// What one pool of a path has left for a session.
pub fn left_kbps(path: &[Pool], pool: usize) -> u64 {
    largest(|kbps| !charge(path, &vec![kbps; path.len()]).1.contains(&pool))
}

/// How streams share what a path has left, none below its floor.
pub fn share_out(path: &[Pool], streams: &[StreamAsk], floors_kbps: &[u64]) -> Option<Vec<u64>> {
    if !fits(path, streams, floors_kbps) {
        return None;
    }
    let mut shares = floors_kbps.to_vec();
    for priority in Priority::ALL {
        let members: Vec<usize> =
            (0..streams.len()).filter(|&stream| streams[stream].priority == priority).collect();
        let mut full = shares.clone();
        for &stream in &members {
            full[stream] = streams[stream].bandwidth_kbps;
        }
        if fits(path, streams, &full) {
            shares = full;
        } else {
            rise(path, streams, &members, &mut shares);
        }
    }
    Some(shares)
}

fn rise(path: &[Pool], streams: &[StreamAsk], members: &[usize], shares: &mut Vec<u64>) {
    let floors = shares.clone();
    let total = |kbps: &[u64]| members.iter().map(|&stream| kbps[stream]).sum::<u64>();
    let asks: Vec<u64> = streams.iter().map(|stream| stream.bandwidth_kbps).collect();
    let charged = charges_kbps(path, streams, &floors);
    let more = |kbps: u64| charged.iter().map(|charged| charged + kbps).collect::<Vec<_>>();
    let at_best = total(&floors) + largest(|kbps| charge(path, &more(kbps)).1.is_empty());

    let at_level = |level: (u64, u64)| {
        let mut kbps = floors.clone();
        for &stream in members {
            kbps[stream] = floors[stream].max(asks[stream] * level.0 / level.1);
        }
        kbps
    };
    let mut levels = (total(&floors)..=total(&asks).min(at_best))
        .rev()
        .map(|kbps| level_of_total(members, &floors, &asks, kbps));
    let level = levels.find(|&level| fits(path, streams, &at_level(level))).expect("the floors fit");
    *shares = at_level(level);

    let lost = |stream: usize| {
        let is_at_floor = asks[stream] * level.0 < floors[stream] * level.1;
        if is_at_floor { 0 } else { asks[stream] * level.0 % level.1 }
    };
    let mut order = members.to_vec();
    order.sort_by(|&a, &b| lost(b).cmp(&lost(a)).then(a.cmp(&b)));
    loop {
        let before = shares.clone();
        for &stream in &order {
            shares[stream] += 1;
            if shares[stream] > asks[stream] || !fits(path, streams, shares) {
                shares[stream] -= 1;
            }
        }
        if *shares == before {
            return;
        }
    }
}

/// The level, as a fraction, at which floors and parts of asks come to a total: found by trying every set of streams
/// that could be above their floors.
fn level_of_total(members: &[usize], floors: &[u64], asks: &[u64], total: u64) -> (u64, u64) {
    for set in 1..1_u32 << members.len() {
        let rises = |index: usize| set >> index & 1 == 1;
        let sum = |kbps: &[u64], rising: bool| -> u64 {
            let chosen = (0..members.len()).filter(|&index| rises(index) == rising);
            chosen.map(|index| kbps[members[index]]).sum()
        };
        let Some(part) = total.checked_sub(sum(floors, false)) else { continue };
        let whole = sum(asks, true);
        let agrees = (0..members.len()).all(|index| {
            let (level_kbps, floor) = (asks[members[index]] * part, floors[members[index]] * whole);
            if rises(index) { level_kbps >= floor } else { level_kbps <= floor }
        });
        if agrees {
            return (part, whole);
        }
    }
    unreachable!("water finds its level")
}
