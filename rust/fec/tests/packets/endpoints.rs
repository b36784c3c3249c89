//! The two ends of a stream, and what goes from one to the other.

use core::ops::Range;

use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, ReedSolomon};

use crate::packet_script::sealed_in;

pub fn encoder(k: usize, m: usize) -> PacketEncoder {
    let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("k and m are in range");
    PacketEncoder::new(&code, 1, 0).expect("the matrix is right")
}

pub fn decoder(window_groups: usize) -> PacketDecoder {
    PacketDecoder::new(1, window_groups).expect("the window is in range")
}

pub fn send(encoder: &mut PacketEncoder, packet: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    encoder.add(packet.as_ref(), |datagram| datagrams.push(datagram.to_vec())).expect("the packet fits");
    datagrams
}

pub fn end(encoder: &mut PacketEncoder) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    encoder.flush(|datagram| datagrams.push(datagram.to_vec()));
    datagrams
}

/// What the decoder delivers for each datagram by itself.
pub fn receive<D: AsRef<[u8]>>(
    decoder: &mut PacketDecoder,
    datagrams: impl IntoIterator<Item = D>,
) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for datagram in datagrams {
        decoder.add(datagram.as_ref(), |packet| packets.push(packet.to_vec()));
    }
    packets
}

pub fn flush(decoder: &mut PacketDecoder) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    decoder.flush(|packet| packets.push(packet.to_vec()));
    packets
}

/// A packet of each number: "p0", "p1", …
pub fn numbered(numbers: Range<usize>) -> Vec<Vec<u8>> {
    numbers.map(|number| format!("p{number}").into_bytes()).collect()
}

/// The datagrams of so many full groups of numbered packets, by group.
pub fn groups(encoder: &mut PacketEncoder, k: usize, count: usize) -> Vec<Vec<Vec<u8>>> {
    let packets = numbered(0..k * count);
    packets.chunks(k).map(|group| group.iter().flat_map(|packet| send(encoder, packet)).collect()).collect()
}

/// A packet's datagram in a group of two.
pub fn one_of_two(epoch: u64, group: u32, index: u8) -> Vec<u8> {
    let packet = format!("{epoch} {group} {index}");
    let payload = [&[0, packet.len().to_le_bytes()[0]], packet.as_bytes()].concat();
    sealed_in([index, 2, 0], epoch, group, &payload)
}
