//! Packets in, datagrams out.

use arrayvec::ArrayVec;

use super::{
    MAX_EPOCH, MAX_PACKET_BYTES,
    codes::Codes,
    header::{HEADER_BYTES, Header, LENGTH_BYTES},
};
use crate::{Error, MAX_SHARDS, Matrix, ReedSolomon};

/// Makes datagrams of the packets of one stream: each packet's own at once, and parity when its group is full.
///
/// The datagrams are built in place, in buffers that serve every group. They keep the size of the longest packets: at
/// most k + m datagrams.
///
/// # Format
/// A datagram is one shard behind a header of 20 bytes, big-endian:
///
/// | bytes | what |
/// |---|---|
/// | 0 | version, 2 |
/// | 1 | index of the shard in its group, the data first |
/// | 2 | k, the group's data shards; 0 stands for 256 |
/// | 3 | m, the group's parity shards |
/// | 4-5 | stream tag |
/// | 6-11 | epoch of the encoder |
/// | 12-15 | number of the group, from 0 in each epoch; 0 follows the highest |
/// | 16-19 | CRC32C of bytes 0-15 and the payload |
///
/// The payload is the rest of the datagram, 65535 bytes at most. A data shard's is the packet's length in two bytes, and
/// the packet. Parity covers these payloads, padded with zeros to the longest, by the code of [`Matrix::Cauchy`]: no
/// field names another.
/// When a group is ended short, its data datagrams have long been sent with the k of a full one; its parity
/// datagrams carry the real k, and are those of the code of that k. So any real-k datagrams of a group
/// give all its packets.
///
/// The CRC finds damage. It does not find forgery: whoever can make datagrams can make packets. Authenticate
/// datagrams where that matters.
///
/// # Example
/// ```
/// use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, ReedSolomon};
///
/// let mut encoder = PacketEncoder::new(&ReedSolomon::new(3, 1, Matrix::Cauchy)?, 7, 1)?;
/// let mut datagrams = Vec::new();
/// for packet in [&b"take"[..], b"", b"off"] {
///     encoder.add(packet, |datagram| datagrams.push(datagram.to_vec()))?;
/// }
/// assert_eq!(datagrams.len(), 4);
///
/// datagrams.remove(0); // lost on the way
/// let mut decoder = PacketDecoder::new(7, 64)?;
/// let mut packets = Vec::new();
/// for datagram in &datagrams {
///     decoder.add(datagram, |packet| packets.push(packet.to_vec()));
/// }
/// assert_eq!(packets, [&b"take"[..], b"", b"off"]);
/// assert_eq!(decoder.stats().recovered, 1);
/// # Ok::<(), honeylink_fec::Error>(())
/// ```
pub struct PacketEncoder {
    data_shards: usize,
    parity_shards: usize,
    codes: Codes,
    stream_tag: u16,
    epoch: u64,
    group: u32,
    /// The packets of the open group.
    count: usize,
    /// The datagrams of these packets, and buffers for more.
    data: Vec<Vec<u8>>,
    parity: Vec<Vec<u8>>,
    /// The longest datagram that all of these have room for.
    room_bytes: usize,
}

impl PacketEncoder {
    /// An encoder whose groups have the k and m of `code`.
    ///
    /// An encoder that takes the place of another of its tag, as after a restart, must have a higher epoch, and a
    /// [`PacketDecoder`](super::PacketDecoder) then follows it at once. The time at which it is made will do, in
    /// units so short that no two are made in one: 48 bits last for 146 years of 2^14 ns. Of two with the same epoch
    /// packets may be late, or mixed. Two that send at the same time need a tag each.
    ///
    /// # Errors
    /// [`Error::PacketMatrix`] unless the code is one of [`Matrix::Cauchy`]: a datagram has no field for the matrix.
    /// [`Error::Epoch`] when the epoch is above [`MAX_EPOCH`].
    pub fn new(code: &ReedSolomon, stream_tag: u16, epoch: u64) -> Result<Self, Error> {
        let (data_shards, parity_shards) = (code.data_shards(), code.parity_shards());
        if code.matrix() != Matrix::Cauchy {
            return Err(Error::PacketMatrix { found: code.matrix() });
        }
        if epoch > MAX_EPOCH {
            return Err(Error::Epoch { most: MAX_EPOCH, found: epoch });
        }
        let codes = Codes::new(code.engine());
        let (data, parity) = (vec![Vec::new(); data_shards], vec![Vec::new(); parity_shards]);
        let (group, count, room_bytes) = (0, 0, 0);
        Ok(Self {
            data_shards,
            parity_shards,
            codes,
            stream_tag,
            epoch,
            group,
            count,
            data,
            parity,
            room_bytes,
        })
    }

    /// Takes one packet and calls `send` with its datagram; then, if that fills the group, with each parity datagram.
    ///
    /// # Errors
    /// [`Error::PacketLength`] when it is longer than [`MAX_PACKET_BYTES`], [`Error::Memory`] when there is no room for
    /// a group's datagrams of its length. Then nothing is sent or changed.
    pub fn add(&mut self, packet: &[u8], mut send: impl FnMut(&[u8])) -> Result<(), Error> {
        if packet.len() > MAX_PACKET_BYTES {
            return Err(Error::PacketLength { most: MAX_PACKET_BYTES, found: packet.len() });
        }
        self.reserve(HEADER_BYTES + LENGTH_BYTES + packet.len())?;
        let [.., high, low] = packet.len().to_be_bytes();
        let header = self.header(self.count, self.data_shards);
        let datagram = &mut self.data[self.count];
        datagram.clear();
        datagram.resize(HEADER_BYTES, 0);
        datagram.extend_from_slice(&[high, low]);
        datagram.extend_from_slice(packet);
        header.seal(datagram);
        send(datagram);
        self.count += 1;
        if self.count == self.data_shards {
            self.end_group(&mut send);
        }
        Ok(())
    }

    /// Ends the group that is open, if one is, and calls `send` with each of its parity datagrams.
    ///
    /// Only they tell a receiver that the group was short: if all of them are lost, it waits for the rest as for lost
    /// packets. Without parity (m = 0) there is nothing to send that would tell, so the group stays open.
    pub fn flush(&mut self, mut send: impl FnMut(&[u8])) {
        if self.count > 0 && self.parity_shards > 0 {
            self.end_group(&mut send);
        }
    }

    /// Makes room for datagrams of that length in all buffers, so that a group that was begun can be ended.
    fn reserve(&mut self, datagram_bytes: usize) -> Result<(), Error> {
        if datagram_bytes > self.room_bytes {
            for buffer in self.data.iter_mut().chain(&mut self.parity) {
                let missing = datagram_bytes.saturating_sub(buffer.len());
                buffer.try_reserve(missing).map_err(|_| Error::Memory { bytes: datagram_bytes })?;
            }
            self.room_bytes = datagram_bytes;
        }
        Ok(())
    }

    fn end_group(&mut self, send: &mut impl FnMut(&[u8])) {
        self.encode();
        for index in 0..self.parity_shards {
            let header = self.header(self.count + index, self.count);
            header.seal(&mut self.parity[index]);
            send(&self.parity[index]);
        }
        self.count = 0;
        self.group = self.group.wrapping_add(1);
    }

    /// Makes the payloads of the parity datagrams.
    fn encode(&mut self) {
        let data = &mut self.data[..self.count];
        let datagram_bytes = data.iter().map(Vec::len).max().unwrap_or(HEADER_BYTES);
        data.iter_mut().chain(&mut self.parity).for_each(|datagram| datagram.resize(datagram_bytes, 0));
        let shards: ArrayVec<&[u8], MAX_SHARDS> =
            data.iter().map(|datagram| &datagram[HEADER_BYTES..]).collect();
        let mut parity: ArrayVec<&mut [u8], MAX_SHARDS> =
            self.parity.iter_mut().map(|datagram| &mut datagram[HEADER_BYTES..]).collect();
        let code = self.codes.of(self.count, self.parity_shards);
        code.and_then(|code| code.encode(&shards, &mut parity))
            .expect("as many shards as the code has, all of one length");
    }

    fn header(&self, index: usize, data_shards: usize) -> Header {
        let Self { parity_shards, stream_tag, epoch, group, .. } = *self;
        Header { index, data_shards, parity_shards, stream_tag, epoch, group }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_0_follows_the_highest() {
        let code = ReedSolomon::new(1, 1, Matrix::Cauchy).expect("k and m are in range");
        let mut encoder = PacketEncoder::new(&code, 0, 0).expect("the matrix is right");
        encoder.group = u32::MAX;
        for expected in [u32::MAX, 0, 1] {
            encoder
                .add(b"x", |datagram| assert_eq!(datagram[12..16], expected.to_be_bytes()))
                .expect("the packet is short");
        }
    }
}
