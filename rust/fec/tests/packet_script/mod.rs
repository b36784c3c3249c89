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
        encoder: encoder(&code, FIRST_EPOCH),
        epoch: FIRST_EPOCH,
        first_group,
        decoder: decoder(window_groups),
        undisturbed: (!forges).then(|| decoder(window_groups)),
        follow: Follow::new(window_groups),
        held_bytes_at_most: window_groups * if forges { 256 * 300 } else { (k + m) * SHARD_BYTES_AT_MOST },
        on_the_way: Vec::new(),
        sent: Vec::new(),
        delivered: Vec::new(),
        delivered_before: Vec::new(),
        received: 0,
    };
    while let Some(step) = script.next() {
        match step % 8 {
            0..=2 => link.send(&mut script),
            3 if step & 0x18 == 0x18 => link.restart(&code, step & 0x20 != 0),
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
        link.check_what_came();
    }
}

/// The upper half is lower for each time that the sender's clock went back, the lower half counts the encoders.
const FIRST_EPOCH: u64 = 1 << 40;
const CLOCK_STEP: u64 = 1 << 20;

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
    left: Option<u64>,
    strays: Option<(u64, u32)>,
    strays_of_left: Option<(u64, u32)>,
    followed: Option<(u64, u32)>,
    followed_groups: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Told {
    Stream,
    /// Of an epoch that is over.
    Late,
    /// Of a lower epoch, or of the one that was left, that has gone on for so long that it is followed.
    TakenBack,
}

impl Follow {
    fn new(window_groups: usize) -> Self {
        let (at, left, strays, strays_of_left, followed) = (None, None, None, None, None);
        Self { window_groups, at, left, strays, strays_of_left, followed, followed_groups: 0 }
    }

    fn tell(&mut self, epoch: u64, group: u32) -> Told {
        let Some(at) = self.at else { return self.go_to(epoch, Told::Stream) };
        if epoch == at {
            let are_there_strays = self.strays.is_some() || self.strays_of_left.is_some();
            if are_there_strays {
                self.followed_groups = self.followed_groups.max(passed(&mut self.followed, epoch, group));
                if self.followed_groups >= self.window_groups {
                    self.go_to(epoch, Told::Stream);
                }
            }
            return Told::Stream;
        }
        let is_left = self.left == Some(epoch);
        if epoch > at && !is_left {
            return self.go_to(epoch, Told::Stream);
        }
        let from = if is_left { &mut self.strays_of_left } else { &mut self.strays };
        if passed(from, epoch, group) < self.window_groups + self.followed_groups {
            return Told::Late;
        }
        self.left = self.at;
        self.go_to(epoch, Told::TakenBack)
    }

    fn go_to(&mut self, epoch: u64, told: Told) -> Told {
        *self = Self { at: Some(epoch), left: self.left, ..Self::new(self.window_groups) };
        told
    }
}

/// How many groups have passed upwards in one epoch.
fn passed(from: &mut Option<(u64, u32)>, epoch: u64, group: u32) -> usize {
    let passed = match *from {
        Some((of, from)) if of == epoch => usize::try_from(group.wrapping_sub(from).cast_signed()).ok(),
        _ => None,
    };
    if passed.is_none() {
        *from = Some((epoch, group));
    }
    passed.unwrap_or(0)
}

struct Link {
    encoder: PacketEncoder,
    /// That of the encoder. No two have the same.
    epoch: u64,
    /// What an encoder's group 0 becomes on the link.
    first_group: u32,
    decoder: PacketDecoder,
    /// It gets what the other one gets, but for what comes late of encoders that are over. None where anything is forged.
    undisturbed: Option<PacketDecoder>,
    follow: Follow,
    held_bytes_at_most: usize,
    on_the_way: Vec<Vec<u8>>,
    /// With the epoch that it was sent in.
    sent: Vec<(u64, Vec<u8>)>,
    /// Since the decoder last went back to an encoder, if it ever has.
    delivered: Vec<Vec<u8>>,
    /// What must not come again, of what was delivered until then.
    delivered_before: Vec<Vec<u8>>,
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
        self.sent.push((self.epoch, packet));
    }

    fn end_group(&mut self) {
        self.encoder.flush(|datagram| self.on_the_way.push(later(datagram, self.first_group)));
    }

    /// Another encoder takes the place of this one, whose datagrams are still under way.
    fn restart(&mut self, code: &ReedSolomon, has_clock_gone_back: bool) {
        self.epoch += 1;
        if has_clock_gone_back {
            self.epoch -= CLOCK_STEP;
        }
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
        let epoch = epoch_of(datagram);
        let was_at = self.follow.at.unwrap_or(epoch);
        let told = self.follow.tell(epoch, group_of(datagram));
        let mut expected = Vec::new();
        // A lower epoch, the one that was left, or one from before that, which nobody remembers.
        if told == Told::TakenBack || told == Told::Stream && count_of(epoch) < count_of(was_at) {
            undisturbed.flush(|packet| expected.push(packet.to_vec()));
            *undisturbed = decoder(self.follow.window_groups);
            self.delivered.append(&mut expected.clone());
            self.go_back(epoch);
        }
        let Some(undisturbed) = &mut self.undisturbed else { return };
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

    /// The decoder goes to an encoder that it has followed before, or that is no later than that.
    fn go_back(&mut self, to_epoch: u64) {
        self.check_what_came();
        self.delivered_before.append(&mut self.delivered);
        let left = self.follow.left;
        let sent = &self.sent;
        self.delivered_before.retain(|packet| {
            let (epoch, _) = sent[number_of(packet)];
            epoch != to_epoch && (epoch < to_epoch || Some(epoch) == left)
        });
    }

    /// Each packet at most once, byte for byte, in the order in which they were sent.
    fn check_what_came(&self) {
        let mut sent = self.sent.iter();
        for packet in &self.delivered {
            assert!(sent.any(|(_, other)| other == packet), "{packet:?} is in order and was sent");
            assert!(!self.delivered_before.contains(packet), "{packet:?} comes once");
        }
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

/// How many encoders there were before that of the epoch.
fn count_of(epoch: u64) -> u64 {
    epoch % CLOCK_STEP
}

/// Of a packet of the link's encoders, among all.
fn number_of(packet: &[u8]) -> usize {
    u32::from_be_bytes(packet[..4].try_into().expect("four bytes")) as usize
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
    let epoch = FIRST_EPOCH + if bits & 8 == 0 { 0 } else { u64::from(script.byte() % 4) };
    let length = usize::from(script.byte());
    let mut payload = script.take(length).to_vec();
    if bits & 4 == 0 && payload.len() >= 2 {
        let packet_bytes = payload.len() - 2;
        payload[..2].copy_from_slice(&packet_bytes.to_be_bytes()[6..]);
    }
    sealed_in(fields, epoch, group, &payload)
}
