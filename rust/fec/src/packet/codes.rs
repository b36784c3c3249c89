//! The codes of one stream: that of full groups, and those of groups that were ended short.

use crate::{Engine, Error, Matrix, ReedSolomon};

/// Making a code costs as much as encoding a few packets, so the latest are kept. A stream that ends its groups
/// short has a few sizes that come again and again; the number bounds what a hostile sender can make it keep.
const KEPT: usize = 8;

pub(super) struct Codes {
    engine: Engine,
    /// The latest first.
    kept: Vec<ReedSolomon>,
}

impl Codes {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, kept: Vec::new() }
    }

    pub(super) fn of(&mut self, data_shards: usize, parity_shards: usize) -> Result<&ReedSolomon, Error> {
        let is_it =
            |code: &ReedSolomon| (code.data_shards(), code.parity_shards()) == (data_shards, parity_shards);
        if let Some(at) = self.kept.iter().position(is_it) {
            self.kept[..=at].rotate_right(1);
        } else {
            let code = ReedSolomon::with_engine(data_shards, parity_shards, Matrix::Cauchy, self.engine)?;
            self.kept.truncate(KEPT - 1);
            self.kept.insert(0, code);
        }
        Ok(&self.kept[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_codes_are_kept() {
        let mut codes = Codes::new(Engine::fastest());
        for k in 1..=2 * KEPT {
            for wanted in [k, 1] {
                let code = codes.of(wanted, 2).expect("k and m are in range");
                assert_eq!((code.data_shards(), code.parity_shards()), (wanted, 2));
            }
        }
        let kept: Vec<usize> = codes.kept.iter().map(ReedSolomon::data_shards).collect();
        assert_eq!(kept, [1, 16, 15, 14, 13, 12, 11, 10]);
    }
}
