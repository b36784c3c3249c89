//! The header of a datagram, written and read.

use crc32c::{crc32c, crc32c_append};

use crate::MAX_SHARDS;

pub(super) const HEADER_BYTES: usize = 20;

/// Bytes of a packet's length, which stands before it in its shard.
pub(super) const LENGTH_BYTES: usize = 2;

/// Of a shard with its packet's length, or of parity over such shards.
pub(super) const MAX_PAYLOAD_BYTES: usize = u16::MAX as usize;

/// What the CRC covers of the header: all that stands before it.
const COVERED_BYTES: usize = 16;

/// The highest epoch that its six bytes hold.
pub(super) const MAX_EPOCH: u64 = (1 << 48) - 1;

/// 1 was a header of 16 bytes, without an epoch.
const VERSION: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) index: usize,
    pub(super) data_shards: usize,
    pub(super) parity_shards: usize,
    pub(super) stream_tag: u16,
    /// At most [`MAX_EPOCH`].
    pub(super) epoch: u64,
    pub(super) group: u32,
}

impl Header {
    pub(super) fn is_data(self) -> bool {
        self.index < self.data_shards
    }

    /// Writes the header over the first bytes of a datagram whose payload is there.
    pub(super) fn seal(self, datagram: &mut [u8]) {
        let Some((header, payload)) = datagram.split_first_chunk_mut::<HEADER_BYTES>() else { return };
        // A code's numbers fit bytes, but for k = 256, whose low byte is the 0 that stands for it.
        let byte = |number: usize| number.to_le_bytes()[0];
        let [_, _, epoch @ ..] = self.epoch.to_be_bytes();
        header[..4].copy_from_slice(&[
            VERSION,
            byte(self.index),
            byte(self.data_shards),
            byte(self.parity_shards),
        ]);
        header[4..6].copy_from_slice(&self.stream_tag.to_be_bytes());
        header[6..12].copy_from_slice(&epoch);
        header[12..16].copy_from_slice(&self.group.to_be_bytes());
        let crc = crc32c_append(crc32c(&header[..COVERED_BYTES]), payload);
        header[COVERED_BYTES..].copy_from_slice(&crc.to_be_bytes());
    }

    /// The header and the payload, if the datagram is whole and its fields are possible together.
    pub(super) fn open(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let (header, payload) = datagram.split_first_chunk::<HEADER_BYTES>()?;
        let [version, index, data_shards, parity_shards, ..] = header.map(usize::from);
        let data_shards = if data_shards == 0 { MAX_SHARDS } else { data_shards };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let (stream_tag, epoch) = (u16::from_be_bytes([header[4], header[5]]), number(&header[6..12]));
        let group = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
        let crc = u32::from_be_bytes([header[16], header[17], header[18], header[19]]);
        let opened = Self { index, data_shards, parity_shards, stream_tag, epoch, group };
        let total_shards = data_shards + parity_shards;
        let is_sound = version == usize::from(VERSION)
            && payload.len() <= MAX_PAYLOAD_BYTES
            && total_shards <= MAX_SHARDS
            && index < total_shards
            && crc32c_append(crc32c(&header[..COVERED_BYTES]), payload) == crc
            && if opened.is_data() {
                // Padding is not sent.
                packet(payload).is_some_and(|packet| packet.len() + LENGTH_BYTES == payload.len())
            } else {
                payload.len() >= LENGTH_BYTES
            };
        is_sound.then_some((opened, payload))
    }
}

/// The packet in a data shard, if its length can be true.
pub(super) fn packet(shard: &[u8]) -> Option<&[u8]> {
    let (length, rest) = shard.split_first_chunk::<LENGTH_BYTES>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        index: 9,
        data_shards: 10,
        parity_shards: 2,
        stream_tag: 0x1234,
        epoch: 0xA1A2_A3A4_A5A6,
        group: 0x0102_0304,
    };

    fn sealed(header: Header, payload: &[u8]) -> Vec<u8> {
        let mut datagram = [&[0; HEADER_BYTES], payload].concat();
        header.seal(&mut datagram);
        datagram
    }

    #[test]
    fn the_layout_is_fixed() {
        let datagram = sealed(HEADER, b"\0\x03abc");
        assert_eq!(datagram[..6], [2, 9, 10, 2, 0x12, 0x34]);
        assert_eq!(datagram[6..16], [0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 1, 2, 3, 4]);
        assert_eq!(datagram[20..], *b"\0\x03abc");
        let covered = [&datagram[..16], &datagram[20..]].concat();
        assert_eq!(datagram[16..20], crc_by_definition(&covered).to_be_bytes());
        assert_eq!(Header::open(&datagram), Some((HEADER, &b"\0\x03abc"[..])));
    }

    /// Bit by bit, with the reversed polynomial of RFC 3720, whose vectors are in its appendix B.4.
    fn crc_by_definition(bytes: &[u8]) -> u32 {
        let shifted = |crc: u32| crc >> 1 ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
        !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| shifted(crc)))
    }

    #[test]
    fn the_crc_is_that_of_the_rfc() {
        assert_eq!(crc_by_definition(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
    }

    #[test]
    fn a_group_of_256_has_0_as_its_k() {
        let header = Header { index: 255, data_shards: 256, parity_shards: 0, ..HEADER };
        let datagram = sealed(header, b"\0\0");
        assert_eq!(datagram[1..4], [255, 0, 0]);
        assert_eq!(Header::open(&datagram), Some((header, &b"\0\0"[..])));
    }

    #[test]
    fn the_highest_epoch_and_the_longest_payload_travel() {
        let header = Header { index: 10, epoch: MAX_EPOCH, group: u32::MAX, ..HEADER };
        let longest = vec![7; MAX_PAYLOAD_BYTES];
        assert_eq!(Header::open(&sealed(header, &longest)), Some((header, &longest[..])));
        assert_eq!(Header::open(&sealed(header, &vec![7; MAX_PAYLOAD_BYTES + 1])), None);
    }

    #[test]
    fn impossible_fields_are_refused() {
        let parity = Header { index: 10, ..HEADER };
        assert!(Header::open(&sealed(parity, b"\xFF\xFF")).is_some(), "parity's first bytes are no length");
        for (header, payload) in [
            (HEADER, &b"\0\x03abcd"[..]),
            (HEADER, b"\0\x03ab"),
            (HEADER, b"\0"),
            (HEADER, b""),
            (parity, b"\0"),
            (Header { index: 12, ..HEADER }, b"\0\0"),
            (Header { parity_shards: 247, ..HEADER }, b"\0\0"),
            (Header { data_shards: 256, parity_shards: 1, ..HEADER }, b"\0\0"),
        ] {
            assert_eq!(Header::open(&sealed(header, payload)), None, "{header:?} {payload:?}");
        }
    }

    #[test]
    fn any_damage_is_found() {
        let whole = sealed(HEADER, b"\0\x03abc");
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::open(&damaged), None, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(Header::open(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(Header::open(&[&whole[..], b"\0"].concat()), None);
    }
}
