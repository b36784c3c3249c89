//! A forger.

/// A datagram of tag 1 that passes the CRC, from index, k and m, and from its epoch and group.
pub fn sealed_in([index, k, m]: [u8; 3], epoch: u64, group: u32, payload: &[u8]) -> Vec<u8> {
    let [_, _, epoch @ ..] = epoch.to_be_bytes();
    let covered = [&[2, index, k, m, 0, 1][..], &epoch, &group.to_be_bytes()].concat();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&covered), payload);
    [&covered[..], &crc.to_be_bytes(), payload].concat()
}

/// The same of epoch 0.
pub fn sealed(fields: [u8; 3], group: u32, payload: &[u8]) -> Vec<u8> {
    sealed_in(fields, 0, group, payload)
}
