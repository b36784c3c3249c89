//! What must hold of a decoder whatever comes, as one function of any bytes: for the fuzzer, and for a plain test.

mod sealed;

use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, PacketStats, ReedSolomon};
pub use sealed::{sealed, sealed_in};

/// Reads the bytes as a script of what encoders send and what a link does to it, and checks the decoder at each
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
        encoder: encoder(&code, 0),
        epoch: 0,
        first_group,
        decoder: decoder(window_groups),
        undisturbed: (!forges).then(|| decoder(window_groups)),
        follow: Follow { window_groups, at: None, strays_from: None },
        held_bytes_at_most: window_groups * if forges { 256 * 300 } else { (k + m) * SHARD_BYTES_AT_MOST },
        on_the_way: Vec::new(),
        sent: Vec::new(),
        delivered: Vec::new(),
        received: 0,
    };
    while let Some(step) = script.next() {
        match step % 8 {
            0..=2 => link.send(&mut script),
            3 if step & 0x18 == 0x18 => link.restart(&code),
            3 => link.end_group(),
            4 => link.pass_one(&mut script, Fate::Arrives),
            5 => link.pass_one(&mut script, if step & 8 == 0 { Fate::Repeated } else { Fate::Damaged }),
            6 if forges && step & 8 == 0 => link.receive_any(&forged(&mut script)),
            // Not where all that is delivered must have been sent: a fuzzer finds bytes that pass a CRC.
            6 if forges => link.receive_any(script.take(40)),
            6 => link.pass_one(&mut script, Fate::Lost),
            _ => link.flush(),
        }
        link.check();
    }
    link.flush();
    link.check();
    if link.undisturbed.is_some() {
        check_that_what_came_was_sent(&link.sent, &link.delivered);
    }
}

/// Of what the link's encoders send: the packet's length, its number, and at most 19 bytes.
const SHARD_BYTES_AT_MOST: usize = 2 + 4 + 19;

fn encoder(code: &ReedSolomon, epoch: u64) -> PacketEncoder {
    PacketEncoder::new(code, 1, epoch).expect("matrix and epoch are right")
}

fn decoder(window_groups: usize) -> PacketDecoder {
    PacketDecoder::new(1, window_groups).expect("the window is in range")
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

/// Which epoch a decoder must follow, told from headers alone. The script's groups are all near each other.
struct Follow {
    window_groups: usize,
    at: Option<u64>,
    strays_from: Option<(u64, u32)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Told {
    Stream,
    /// Of an epoch that is over.
    Late,
    /// Of a lower epoch that has gone on for so long that it is followed.
    TakenBack,
}

impl Follow {
    fn tell(&mut self, epoch: u64, group: u32) -> Told {
        if self.at.is_none_or(|at| epoch >= at) {
            (self.at, self.strays_from) = (Some(epoch), None);
            return Told::Stream;
        }
        let passed = match self.strays_from {
            Some((of, from)) if of == epoch => group.wrapping_sub(from).cast_signed(),
            _ => -1,
        };
        if passed < 0 {
            self.strays_from = Some((epoch, group));
            return Told::Late;
        }
        if passed.unsigned_abs() < u32::try_from(self.window_groups).expect("it is small") {
            return Told::Late;
        }
        (self.at, self.strays_from) = (Some(epoch), None);
        Told::TakenBack
    }
}

struct Link {
    encoder: PacketEncoder,
    /// That of the encoder: how often it was replaced.
    epoch: u64,
    /// What an encoder's group 0 becomes on the link.
    first_group: u32,
    decoder: PacketDecoder,
    /// It gets what the other one gets, but for what comes late of encoders that are over. None where anything is forged.
    undisturbed: Option<PacketDecoder>,
    follow: Follow,
    held_bytes_at_most: usize,
    on_the_way: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    /// Since the decoder last went back to a lower epoch, if it ever has.
    delivered: Vec<Vec<u8>>,
    received: u64,
}

impl Link {
    /// Sends a packet that starts with its number, so that no two are alike.
    fn send(&mut self, script: &mut Script<'_>) {
        let length = usize::from(script.byte() % 20);
        let packet = [&self.sent.len().to_be_bytes()[4..], script.take(length)].concat();
        self.encoder
            .add(&packet, |datagram| self.on_the_way.push(later(datagram, self.first_group)))
            .expect("the packet is short");
        self.sent.push(packet);
    }

    fn end_group(&mut self) {
        self.encoder.flush(|datagram| self.on_the_way.push(later(datagram, self.first_group)));
    }

    /// Another encoder takes the place of this one, whose datagrams are still under way.
    fn restart(&mut self, code: &ReedSolomon) {
        self.epoch += 1;
        self.encoder = encoder(code, self.epoch);
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
                self.receive_any(&datagram);
                assert_eq!(self.decoder.stats().damaged, damaged + 1, "a burst of 8 bits is always found");
            }
        }
    }

    /// Takes what an encoder has sent, and checks what is delivered for it.
    fn receive(&mut self, datagram: &[u8]) {
        let Some(undisturbed) = &mut self.undisturbed else { return self.receive_any(datagram) };
        let told = self.follow.tell(epoch_of(datagram), group_of(datagram));
        let mut expected = Vec::new();
        if told == Told::TakenBack {
            undisturbed.flush(|packet| expected.push(packet.to_vec()));
            self.delivered.append(&mut expected.clone());
            check_that_what_came_was_sent(&self.sent, &self.delivered);
            self.delivered.clear();
            *undisturbed = decoder(self.follow.window_groups);
        }
        let before = expected.len();
        if told != Told::Late {
            undisturbed.add(datagram, |packet| expected.push(packet.to_vec()));
        }
        let mut delivered = Vec::new();
        self.received += 1;
        self.decoder.add(datagram, |packet| delivered.push(packet.to_vec()));
        assert_eq!(delivered, expected, "what came late of encoders that are over has changed nothing");
        self.delivered.extend(delivered.drain(before..));
    }

    /// Takes what may be from nobody, of which nothing is known but that it breaks no bound.
    fn receive_any(&mut self, datagram: &[u8]) {
        self.received += 1;
        self.decoder.add(datagram, |packet| self.delivered.push(packet.to_vec()));
    }

    fn flush(&mut self) {
        self.decoder.flush(|packet| self.delivered.push(packet.to_vec()));
        if let Some(undisturbed) = &mut self.undisturbed {
            undisturbed.flush(|_| {});
        }
    }

    fn check(&self) {
        let PacketStats { received, damaged, duplicate, late, .. } = self.decoder.stats();
        assert_eq!(received, self.received);
        assert!(damaged + duplicate + late <= received);
        assert!(self.decoder.held_bytes() <= self.held_bytes_at_most);
    }
}

/// Each packet at most once, byte for byte, in the order in which they were sent.
fn check_that_what_came_was_sent(sent: &[Vec<u8>], delivered: &[Vec<u8>]) {
    let mut sent = sent.iter();
    for packet in delivered {
        assert!(sent.any(|other| other == packet), "{packet:?} is in order and was sent");
    }
}

pub fn group_of(datagram: &[u8]) -> u32 {
    u32::from_be_bytes(datagram[12..16].try_into().expect("four bytes"))
}

fn epoch_of(datagram: &[u8]) -> u64 {
    datagram[6..12].iter().fold(0, |epoch, &byte| epoch << 8 | u64::from(byte))
}

/// A datagram of tag 1 with its group so many later.
pub fn later(datagram: &[u8], groups: u32) -> Vec<u8> {
    let [_, index, k, m, ..] = *datagram else { unreachable!("it has a header") };
    sealed_in([index, k, m], epoch_of(datagram), group_of(datagram).wrapping_add(groups), &datagram[20..])
}

/// A datagram that passes the CRC and says whatever the script wants.
fn forged(script: &mut Script<'_>) -> Vec<u8> {
    let bits = script.byte();
    let near = u32::from(script.byte());
    let group = if bits & 1 == 0 { near } else { (near * 0x0101_0101) ^ u32::from(script.byte()) };
    let small = |byte: u8| if bits & 2 == 0 { byte % 8 } else { byte };
    let fields = [small(script.byte()), small(script.byte()), small(script.byte())];
    let epoch = if bits & 8 == 0 { 0 } else { u64::from(script.byte() % 4) };
    let length = usize::from(script.byte());
    let mut payload = script.take(length).to_vec();
    if bits & 4 == 0 && payload.len() >= 2 {
        let packet_bytes = payload.len() - 2;
        payload[..2].copy_from_slice(&packet_bytes.to_be_bytes()[6..]);
    }
    sealed_in(fields, epoch, group, &payload)
}
