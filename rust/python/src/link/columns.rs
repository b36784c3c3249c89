//! Batches on their way between Python and the scheduler: copies, so that nobody else can write to them meanwhile.

use honeylink_scheduler::{Columns, LinkError, LinkScheduler};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PySequence};

use crate::{arrays, link::settings};

/// How many packets are fetched before there is made room for more. What is asked for may be far more than is queued.
const FETCHED_AT_ONCE: usize = 1024;

/// The numbers of a column: those of a uint32 array are copied, others are read one by one.
pub fn numbers(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    if let Some(numbers) = arrays::uint32s(object)? {
        return Ok(numbers);
    }
    let is_column = match object.cast::<PyUntypedArray>() {
        Ok(array) => array.ndim() == 1,
        Err(_) => object.cast::<PySequence>().is_ok(),
    };
    if !is_column {
        let found = settings::type_of(object);
        return Err(PyTypeError::new_err(format!("{name}: expected uint32[n], found {found}")));
    }
    (0..object.len()?)
        .map(|index| settings::number(&format!("{name}[{index}]"), &object.get_item(index)?))
        .collect()
}

/// What a call has fetched.
#[derive(Default)]
pub struct Fetched {
    pub streams: Vec<u32>,
    pub sequences: Vec<u64>,
    pub sizes: Vec<u32>,
    pub departures_ns: Vec<u64>,
    pub marks: Vec<u8>,
}

impl Fetched {
    pub fn of(
        link: &mut LinkScheduler,
        now_ns: u64,
        max_packets: usize,
        mut max_bytes: Option<u64>,
    ) -> Result<Self, LinkError> {
        let mut all = Self::default();
        loop {
            let start = all.streams.len();
            let room = FETCHED_AT_ONCE.min(max_packets - start);
            all.resize(start + room);
            let mut columns = Columns::new(
                &mut all.streams[start..],
                &mut all.sequences[start..],
                &mut all.sizes[start..],
                &mut all.departures_ns[start..],
                &mut all.marks[start..],
            )?;
            let count = link.dequeue(now_ns, room, max_bytes, &mut columns)?;
            all.resize(start + count);
            if count < room || start + count == max_packets {
                return Ok(all);
            }
            let bytes: u64 = all.sizes[start..].iter().copied().map(u64::from).sum();
            max_bytes = max_bytes.map(|most| most - bytes);
        }
    }

    fn resize(&mut self, packets: usize) {
        self.streams.resize(packets, 0);
        self.sequences.resize(packets, 0);
        self.sizes.resize(packets, 0);
        self.departures_ns.resize(packets, 0);
        self.marks.resize(packets, 0);
    }
}
