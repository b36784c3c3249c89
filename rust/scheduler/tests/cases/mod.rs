//! How many cases a property is tried with.

use proptest::prelude::ProptestConfig;

/// As many as fit the tests of every change, or that times what `CASES_FACTOR` says, as `make test-long` does.
pub fn cases(usual: u32) -> ProptestConfig {
    let factor = std::env::var("CASES_FACTOR").map_or(1, |factor| factor.parse().expect("a whole number"));
    let config = ProptestConfig::with_cases(usual * factor);
    let (max_local_rejects, max_global_rejects) =
        (config.max_local_rejects * factor, config.max_global_rejects * factor);
    ProptestConfig { max_local_rejects, max_global_rejects, ..config }
}
