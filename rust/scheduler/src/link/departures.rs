//! What `dequeue` gives: one entry a packet, in columns.

use super::{LinkError, LinkScheduler};

/// How many packets may be sent and not yet fetched, before the link stands still until they are.
pub(super) const LATE_PACKETS_MAX: usize = 1 << 16;

/// One packet that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    pub stream: u32,
    /// The node that counts it: its stream's, or that of its parent once the stream was removed.
    pub counted_by: u32,
    pub size: u32,
    pub sequence: u64,
    pub start_ns: u64,
    pub is_marked: bool,
}

/// Where the departures are written, all of one length.
#[derive(Debug)]
pub struct Columns<'a> {
    streams: &'a mut [u32],
    sequences: &'a mut [u64],
    sizes: &'a mut [u32],
    departures_ns: &'a mut [u64],
    marks: &'a mut [u8],
}

impl<'a> Columns<'a> {
    /// Handles of the streams, numbers of the packets within their streams, their sizes, when each starts, and 1 for
    /// those that are marked.
    ///
    /// # Errors
    /// [`LinkError::Length`] if one is longer than another.
    pub fn new(
        streams: &'a mut [u32],
        sequences: &'a mut [u64],
        sizes: &'a mut [u32],
        departures_ns: &'a mut [u64],
        marks: &'a mut [u8],
    ) -> Result<Self, LinkError> {
        let expected = streams.len();
        let others = [
            ("sequences", sequences.len()),
            ("sizes", sizes.len()),
            ("departures_ns", departures_ns.len()),
            ("marks", marks.len()),
        ];
        match others.into_iter().find(|&(_, found)| found != expected) {
            Some((field, found)) => Err(LinkError::Length { field, expected, found }),
            None => Ok(Self { streams, sequences, sizes, departures_ns, marks }),
        }
    }

    /// Room for the first `most` packets.
    fn first(&mut self, most: usize) -> Columns<'_> {
        Columns {
            streams: &mut self.streams[..most],
            sequences: &mut self.sequences[..most],
            sizes: &mut self.sizes[..most],
            departures_ns: &mut self.departures_ns[..most],
            marks: &mut self.marks[..most],
        }
    }

    fn put(&mut self, at: usize, departure: &Departure) {
        self.streams[at] = departure.stream;
        self.sequences[at] = departure.sequence;
        self.sizes[at] = departure.size;
        self.departures_ns[at] = departure.start_ns;
        self.marks[at] = u8::from(departure.is_marked);
    }
}

impl LinkScheduler {
    /// The packets that start at or before `now_ns`, in order, each with its own start; as many as there is room for
    /// in `out` and at most `max_packets`, whose sizes add up to `max_bytes` at most.
    ///
    /// A late call catches up. But when 65,536 packets have started that were not fetched, and something is queued,
    /// added, changed or removed, the link has stood still until then; no guarantee, delay or ceiling counts that time.
    ///
    /// # Errors
    /// [`LinkError::TimeBackwards`].
    pub fn dequeue(
        &mut self,
        now_ns: u64,
        max_packets: usize,
        max_bytes: Option<u64>,
        out: &mut Columns<'_>,
    ) -> Result<usize, LinkError> {
        self.clock.check(now_ns)?;
        let at_ns = self.clock.advance(now_ns);
        let most = max_packets.min(out.streams.len());
        let mut out = out.first(most);
        let mut left_bytes = max_bytes.unwrap_or(u64::MAX);
        let mut count = 0;
        while count < most {
            let Some(departure) = self.late.pop_front().or_else(|| self.decide(at_ns)) else { break };
            let Some(left) = left_bytes.checked_sub(u64::from(departure.size)) else {
                self.late.push_front(departure);
                break;
            };
            left_bytes = left;
            out.put(count, &departure);
            count += 1;
        }
        Ok(count)
    }

    /// When the next packet starts if nothing else happens, and not before `now_ns`; none when nothing is queued.
    ///
    /// # Errors
    /// [`LinkError::TimeBackwards`].
    pub fn next_event_ns(&self, now_ns: u64) -> Result<Option<u64>, LinkError> {
        self.clock.check(now_ns)?;
        let late_ns = self.late.front().map(|departure| departure.start_ns);
        let start_ns = late_ns.or_else(|| Some(self.clock.told_future_ns(self.next_start_ns()?)));
        Ok(start_ns.map(|start_ns| start_ns.max(now_ns)))
    }
}
