//! What must hold of a decoder whatever comes, as one function of any bytes: for the fuzzer, and for a plain test.

mod sealed;

use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, PacketStats, ReedSolomon};
pub use sealed::sealed;

/// Reads the bytes as a script of what an encoder sends and what a link does to it, and checks the decoder at each
/// step.
///
/// # Panics
/// Where the decoder breaks a promise.
pub fn run(script: &[u8]) {
    let mut script = Script(script);
    let forges = script.byte() & 1 == 1;
    let (k, m) = (usize::from(script.byte() % 6) + 1, usize::from(script.byte() % 4));
    let window_groups = usize::from(script.byte() % 8) + 1;
    let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("k and m are in range");
    let first_group = u32::from(script.byte()).wrapping_sub(128);
    let mut link = Link {
        encoder: PacketEncoder::new(&code, 1).expect("the matrix is right").at_group(first_group),
        decoder: PacketDecoder::new(1, window_groups).expect("the window is in range"),
        window_groups,
        on_the_way: Vec::new(),
        sent: Vec::new(),
        delivered: Vec::new(),
        received: 0,
    };
    while let Some(step) = script.next() {
        match step % 8 {
            0..=2 => link.send(&mut script),
            3 => link.encoder.flush(|datagram| link.on_the_way.push(datagram.to_vec())),
            4 => link.pass_one(&mut script, Fate::Arrives),
            5 => link.pass_one(&mut script, if step & 8 == 0 { Fate::Repeated } else { Fate::Damaged }),
            6 if forges && step & 8 == 0 => link.receive(&forged(&mut script)),
            // Not where all that is delivered must have been sent: a fuzzer finds bytes that pass a CRC.
            6 if forges => link.receive(script.take(40)),
            6 => link.pass_one(&mut script, Fate::Lost),
            _ => link.decoder.flush(|packet| link.delivered.push(packet.to_vec())),
        }
        link.check();
    }
    link.decoder.flush(|packet| link.delivered.push(packet.to_vec()));
    link.check();
    if !forges {
        link.check_that_what_came_was_sent();
    }
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[derive(Clone, Copy)]
enum Fate {
    Arrives,
    Repeated,
    Damaged,
    Lost,
}

struct Link {
    encoder: PacketEncoder,
    decoder: PacketDecoder,
    window_groups: usize,
    on_the_way: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    delivered: Vec<Vec<u8>>,
    received: u64,
}

impl Link {
    /// Sends a packet that starts with its number, so that no two are alike.
    fn send(&mut self, script: &mut Script<'_>) {
        let length = usize::from(script.byte() % 20);
        let packet = [&self.sent.len().to_be_bytes()[4..], script.take(length)].concat();
        self.encoder
            .add(&packet, |datagram| self.on_the_way.push(datagram.to_vec()))
            .expect("the packet is short");
        self.sent.push(packet);
    }

    /// One of the datagrams that are under way, not always the first, meets its fate.
    fn pass_one(&mut self, script: &mut Script<'_>, fate: Fate) {
        if self.on_the_way.is_empty() {
            return;
        }
        let at = usize::from(script.byte()) % self.on_the_way.len();
        match fate {
            Fate::Arrives => {
                let datagram = self.on_the_way.remove(at);
                self.receive(&datagram);
            }
            Fate::Lost => drop(self.on_the_way.remove(at)),
            Fate::Repeated => self.receive(&self.on_the_way[at].clone()),
            Fate::Damaged => {
                let mut datagram = self.on_the_way.remove(at);
                let place = usize::from(script.byte()) % datagram.len();
                datagram[place] ^= script.byte() | 1;
                let damaged = self.decoder.stats().damaged;
                self.receive(&datagram);
                assert_eq!(self.decoder.stats().damaged, damaged + 1, "a burst of 8 bits is always found");
            }
        }
    }

    fn receive(&mut self, datagram: &[u8]) {
        self.received += 1;
        self.decoder.add(datagram, |packet| self.delivered.push(packet.to_vec()));
    }

    fn check(&self) {
        let PacketStats { received, damaged, duplicate, late, .. } = self.decoder.stats();
        assert_eq!(received, self.received);
        assert!(damaged + duplicate + late <= received);
        let shard_bytes_at_most = 300;
        assert!(self.decoder.held_bytes() <= self.window_groups * 256 * shard_bytes_at_most);
    }

    /// Each packet at most once, byte for byte, in the order in which they were sent.
    fn check_that_what_came_was_sent(&self) {
        let mut sent = self.sent.iter();
        for packet in &self.delivered {
            assert!(sent.any(|other| other == packet), "{packet:?} is in order and was sent");
        }
    }
}

/// A datagram that passes the CRC and says whatever the script wants.
fn forged(script: &mut Script<'_>) -> Vec<u8> {
    let bits = script.byte();
    let near = u32::from(script.byte());
    let group = if bits & 1 == 0 { near } else { (near * 0x0101_0101) ^ u32::from(script.byte()) };
    let small = |byte: u8| if bits & 2 == 0 { byte % 8 } else { byte };
    let fields = [small(script.byte()), small(script.byte()), small(script.byte())];
    let length = usize::from(script.byte());
    let mut payload = script.take(length).to_vec();
    if bits & 4 == 0 && payload.len() >= 2 {
        let packet_bytes = payload.len() - 2;
        payload[..2].copy_from_slice(&packet_bytes.to_be_bytes()[6..]);
    }
    sealed(fields, group, &payload)
}
