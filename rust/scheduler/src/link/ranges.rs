//! Which settings a link, a class or a stream may have, whatever others there are.

use super::{
    ClassConfig, LinkError, LinkOptions, StreamConfig, fair::WEIGHT_MAX, pace::RATE_MAX_KBPS, tree::Config,
};

/// The least mtu: that of Ethernet, 64 bytes. Below it the virtual time would be coarse.
const MTU_LEAST_BYTES: u32 = 64;
const MTU_MOST_BYTES: u32 = 65_535;
/// A gigabyte: a second and more at any rate that bursts matter for.
const BURST_MOST_BYTES: u32 = 1 << 30;
/// An hour.
const DELAY_MOST_US: u64 = 3_600_000_000;

fn check(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), LinkError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(LinkError::OutOfRange { field, index: None, least, most, found })
}

pub(super) fn check_link(rate_kbps: u64, options: &LinkOptions) -> Result<(), LinkError> {
    check("rate_kbps", rate_kbps, 1, RATE_MAX_KBPS)?;
    check("mtu_bytes", options.mtu_bytes.into(), MTU_LEAST_BYTES.into(), MTU_MOST_BYTES.into())?;
    check("overhead_bytes", options.overhead_bytes.into(), 0, MTU_MOST_BYTES.into())?;
    let memory_bytes = options.memory_bytes.unwrap_or(u64::MAX);
    check("memory_bytes", memory_bytes, options.mtu_bytes.into(), u64::MAX)
}

pub(super) fn check_class(config: &ClassConfig) -> Result<(), LinkError> {
    if let Some(ceil_kbps) = config.ceil_kbps {
        check("ceil_kbps", ceil_kbps, 1, RATE_MAX_KBPS)?;
    }
    check("rate_kbps", config.rate_kbps, 0, config.ceil_kbps.unwrap_or(RATE_MAX_KBPS))?;
    check("weight", config.weight.unwrap_or(1).into(), 1, WEIGHT_MAX.into())?;
    check("burst_bytes", config.burst_bytes.into(), 0, BURST_MOST_BYTES.into())
}

/// A ceiling that comes below a rate that stays is what is wrong, not the rate.
pub(super) fn check_ceiling_above(
    old_kbps: u64,
    rate_kbps: u64,
    ceil_kbps: Option<u64>,
) -> Result<(), LinkError> {
    match ceil_kbps {
        Some(ceil_kbps) if rate_kbps == old_kbps && rate_kbps > 0 => {
            check("ceil_kbps", ceil_kbps, rate_kbps, RATE_MAX_KBPS)
        }
        _ => Ok(()),
    }
}

pub(super) fn check_stream(config: &StreamConfig, mtu_bytes: u32) -> Result<(), LinkError> {
    check_class(&Config::Stream(*config).common())?;
    check("queue_packets", config.queue_packets.into(), 1, u32::MAX.into())?;
    let queue_bytes = config.queue_bytes.unwrap_or(u32::MAX);
    check("queue_bytes", queue_bytes.into(), mtu_bytes.into(), u32::MAX.into())?;
    let Some(found_us) = config.max_delay_us else { return Ok(()) };
    check("max_delay_us", found_us, 1, DELAY_MOST_US)?;
    if config.rate_kbps == 0 {
        return Err(LinkError::DelayWithoutRate { found_us });
    }
    if config.ceil_kbps.is_some() {
        return Err(LinkError::DelayWithCeiling { found_us });
    }
    Ok(())
}
