//! How lost shards follow from the present ones.
//!
//! Let E be the lost data shards, S the present ones, and C the parity part. e = |E| present parity rows p
//! say p = C[S]·d[S] + C[E]·d[E], so d[E] = C[E]⁻¹·(p + C[S]·d[S]). Only that e × e part is inverted, not a
//! k × k matrix: losses are few. Lost parity rows are then written in the same present shards, so that all
//! lost shards come from one pass over the data.

use crate::{Error, dense::Dense};

/// `targets[t]` = Σ `coefficients[t][s]` · `sources[s]`, as indices of shards.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The k shards that are read, ascending: all present data, then as much parity as data is lost.
    pub(crate) sources: Vec<usize>,
    /// All absent shards, ascending.
    pub(crate) targets: Vec<usize>,
    pub(crate) coefficients: Dense,
}

impl Recovery {
    /// Solves for the absent shards of a code with `data_shards` and this parity part.
    pub(crate) fn solve(parity: &Dense, data_shards: usize, present: &[bool]) -> Result<Self, Error> {
        let (mut sources, targets): (Vec<_>, Vec<_>) = (0..present.len()).partition(|&shard| present[shard]);
        if sources.len() < data_shards {
            return Err(Error::TooFewShards { have: sources.len(), need: data_shards });
        }
        sources.truncate(data_shards);

        let lost = &targets[..targets.partition_point(|&shard| shard < data_shards)];
        let data = lost_data(parity, data_shards, lost, &sources);
        let lost_columns = Dense::from_fn(targets.len() - lost.len(), lost.len(), |i, j| {
            parity[(targets[lost.len() + i] - data_shards, lost[j])]
        });
        let through_lost = lost_columns.times(&data);
        let coefficients =
            Dense::from_fn(targets.len(), data_shards, |t, s| match t.checked_sub(lost.len()) {
                None => data[(t, s)],
                Some(i) if sources[s] < data_shards => {
                    through_lost[(i, s)] ^ parity[(targets[t] - data_shards, sources[s])]
                }
                Some(i) => through_lost[(i, s)],
            });
        Ok(Self { sources, targets, coefficients })
    }
}

/// The lost data shards in terms of the sources.
fn lost_data(parity: &Dense, data_shards: usize, lost: &[usize], sources: &[usize]) -> Dense {
    let kept = data_shards - lost.len();
    let used = |b: usize| sources[kept + b] - data_shards;
    let unknown = Dense::from_fn(lost.len(), lost.len(), |b, a| parity[(used(b), lost[a])]);
    let known = Dense::from_fn(lost.len(), data_shards, |b, s| match s.checked_sub(kept) {
        None => parity[(used(b), sources[s])],
        Some(source) => u8::from(source == b),
    });
    unknown.inverted().expect("each square part of a parity part has an inverse").times(&known)
}
