//! A forger.

/// A datagram of tag 1 that passes the CRC, from index, k and m.
pub fn sealed([index, k, m]: [u8; 3], group: u32, payload: &[u8]) -> Vec<u8> {
    let [.., high, low] = payload.len().to_be_bytes();
    let [g0, g1, g2, g3] = group.to_be_bytes();
    let covered = [1, index, k, m, 0, 1, high, low, g0, g1, g2, g3];
    let crc = crc32c::crc32c_append(crc32c::crc32c(&covered), payload);
    [&covered[..], &crc.to_be_bytes(), payload].concat()
}
