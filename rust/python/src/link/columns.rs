//! Batches on their way between Python and the scheduler: copies, so that nobody else can write to them meanwhile.

use honeylink_scheduler::{Columns, LinkScheduler};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PySequence};

use crate::{arguments::type_of, arrays, errors::from_link, link::settings};

/// How many packets are fetched before there is made room for more. What is asked for may be far more than is queued.
const FETCHED_AT_ONCE: usize = 1024;

/// The numbers of a column: those of a uint32 array are copied, others are read one by one.
pub fn numbers(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    if let Some(numbers) = arrays::uint32s(object)? {
        return Ok(numbers);
    }
    let found = match object.cast::<PyUntypedArray>() {
        Ok(array) => (array.ndim() != 1).then(|| arrays::described(array)),
        Err(_) => object.cast::<PySequence>().is_err().then(|| type_of(object)),
    };
    if let Some(found) = found {
        return Err(PyTypeError::new_err(format!("{name}: expected uint32[n], found {found}")));
    }
    let count = object.len()?;
    let mut numbers = arrays::reserved(count)?;
    for index in 0..count {
        numbers.push(settings::number(&format!("{name}[{index}]"), &object.get_item(index)?)?);
    }
    Ok(numbers)
}

/// What a call has fetched.
#[derive(Default)]
pub struct Fetched {
    pub streams: Vec<u32>,
    pub sequences: Vec<u64>,
    pub sizes: Vec<u32>,
    pub departures_ns: Vec<u64>,
    pub marks: Vec<u8>,
    /// Kept free for the arrays that they become: when that fails, the packets are off the link.
    for_arrays: Vec<u8>,
}

/// What a packet takes in the arrays.
const ARRAY_BYTES: usize = 4 + 8 + 4 + 8 + 1;

impl Fetched {
    pub fn of(
        link: &mut LinkScheduler,
        now_ns: u64,
        max_packets: usize,
        mut max_bytes: Option<u64>,
    ) -> PyResult<Self> {
        let mut all = Self::default();
        loop {
            let start = all.streams.len();
            let room = FETCHED_AT_ONCE.min(max_packets - start);
            match all.reserve(room) {
                Ok(()) => all.resize(start + room),
                // What was fetched is the caller's; the rest comes with the next call, if there is memory then.
                Err(_) if start > 0 => break,
                Err(no_memory) => return Err(no_memory),
            }
            let mut columns = Columns::new(
                &mut all.streams[start..],
                &mut all.sequences[start..],
                &mut all.sizes[start..],
                &mut all.departures_ns[start..],
                &mut all.marks[start..],
            )
            .map_err(from_link)?;
            let count = link.dequeue(now_ns, room, max_bytes, &mut columns).map_err(from_link)?;
            all.resize(start + count);
            if count < room || start + count == max_packets {
                break;
            }
            let bytes: u64 = all.sizes[start..].iter().copied().map(u64::from).sum();
            max_bytes = max_bytes.map(|most| most - bytes);
        }
        all.for_arrays = Vec::new();
        Ok(all)
    }

    /// Makes room for so many more.
    ///
    /// # Errors
    /// `MemoryError` when there is no memory for it.
    fn reserve(&mut self, packets: usize) -> PyResult<()> {
        arrays::reserve(&mut self.streams, packets)?;
        arrays::reserve(&mut self.sequences, packets)?;
        arrays::reserve(&mut self.sizes, packets)?;
        arrays::reserve(&mut self.departures_ns, packets)?;
        arrays::reserve(&mut self.marks, packets)?;
        if self.streams.is_empty() {
            return Ok(()); // a small call does not pay for that
        }
        let bytes = (self.streams.len() + packets) * ARRAY_BYTES;
        arrays::reserve(&mut self.for_arrays, bytes)
    }

    fn resize(&mut self, packets: usize) {
        self.streams.resize(packets, 0);
        self.sequences.resize(packets, 0);
        self.sizes.resize(packets, 0);
        self.departures_ns.resize(packets, 0);
        self.marks.resize(packets, 0);
    }
}
