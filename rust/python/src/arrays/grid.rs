//! The shards of a NumPy array as slices.

use core::{marker::PhantomData, ops::Range};

use arrayvec::ArrayVec;
use honeylink_fec::{MAX_SHARDS, prefetch};
use numpy::{
    PyUntypedArray,
    npyffi::{NPY_ARRAY_WRITEABLE, NPY_TYPES},
};
use pyo3::prelude::*;

use super::{as_array, described, fields, reserved};
use crate::errors::{OutputError, ShardShapeError};

/// The shards of one group, on the stack.
pub type Shards<'a> = ArrayVec<&'a [u8], MAX_SHARDS>;
pub type ShardsMut<'a> = ArrayVec<&'a mut [u8], MAX_SHARDS>;

/// The shards of a uint8[groups, shards, n] array, or of a uint8[shards, n] array as one group. Each shard's bytes are
/// contiguous; shards and groups are at any distance from each other.
#[derive(Clone, Copy)]
pub struct Grid<'a> {
    first: *mut u8,
    groups: Axis,
    shards: Axis,
    shard_bytes: usize,
    /// NumPy's flags of the array. As wide as its neighbours: a small call waits for the copies of this struct.
    flags: isize,
    array: PhantomData<&'a PyUntypedArray>,
}

/// How often something comes, and the bytes from one to the next.
#[derive(Clone, Copy)]
struct Axis {
    count: usize,
    stride: isize,
}

impl Axis {
    const ONE: Self = Self { count: 1, stride: 0 };

    /// The bytes from the lowest start to the highest.
    fn reach(self) -> usize {
        self.count.saturating_sub(1).saturating_mul(self.stride.unsigned_abs())
    }

    /// How far below the first the lowest starts.
    fn below(self) -> usize {
        if self.stride < 0 { self.reach() } else { 0 }
    }
}

// SAFETY: a grid is addresses of memory that the array keeps, and it lives no longer than the borrow of the array. It is
// used with the GIL released, when, as said above, the caller keeps other threads from writing.
unsafe impl Send for Grid<'_> {}
// SAFETY: as for `Send`.
unsafe impl Sync for Grid<'_> {}

/// What an array must be. `None` is any number.
#[derive(Clone, Copy)]
pub struct Shape {
    has_groups: bool,
    groups: Option<usize>,
    shards: usize,
    shard_bytes: Option<usize>,
}

impl Shape {
    /// Two axes.
    pub fn of(shards: usize, shard_bytes: Option<usize>) -> Self {
        Self { has_groups: false, groups: None, shards, shard_bytes }
    }

    /// Three axes.
    pub fn of_groups(groups: Option<usize>, shards: usize, shard_bytes: Option<usize>) -> Self {
        Self { has_groups: true, groups, shards, shard_bytes }
    }
}

impl<'a> Grid<'a> {
    /// The shards of `array`, called `name` in errors, if it has that shape.
    #[inline(always)]
    pub fn of(array: &'a Bound<'_, PyAny>, name: &str, shape: Shape) -> PyResult<Self> {
        Self::of_array(as_array(array, name)?, name, shape)
    }

    /// The same, of what is known to be an array.
    #[inline(always)]
    pub fn of_array(array: &'a Bound<'_, PyUntypedArray>, name: &str, shape: Shape) -> PyResult<Self> {
        let fields = fields(array);
        let (groups, rest) = match (shape.has_groups, fields.axes) {
            (true, ([count, counts @ ..], [stride, strides @ ..])) => {
                (Axis { count: count.cast_unsigned(), stride: *stride }, (counts, strides))
            }
            (_, axes) => (Axis::ONE, axes),
        };
        let (&[count, shard_bytes], &[stride, byte_stride]) = rest else {
            return Err(wrong_shape(array, name, shape));
        };
        let (count, shard_bytes) = (count.cast_unsigned(), shard_bytes.cast_unsigned());
        if fields.type_number != NPY_TYPES::NPY_UBYTE as i32
            || count != shape.shards
            || shape.shard_bytes.is_some_and(|bytes| bytes != shard_bytes)
            || shape.groups.is_some_and(|expected| expected != groups.count)
        {
            return Err(wrong_shape(array, name, shape));
        }
        // NumPy gives an array without elements any strides.
        if byte_stride != 1 && shard_bytes > 1 && count > 0 && groups.count > 0 {
            return Err(ShardShapeError::new_err((
                format!("{name} with contiguous rows (numpy.ascontiguousarray makes them so)"),
                format!("{byte_stride} bytes from one element of a row to the next"),
            )));
        }
        let shards = Axis { count, stride };
        let (first, flags) = (fields.data, fields.flags);
        Ok(Self { first, groups, shards, shard_bytes, flags, array: PhantomData })
    }

    pub fn groups(&self) -> usize {
        self.groups.count
    }

    pub fn shard_bytes(&self) -> usize {
        self.shard_bytes
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> usize {
        self.groups.count.saturating_mul(self.shards.count).saturating_mul(self.shard_bytes)
    }

    /// A group's shards for reading.
    pub fn group(&self, group: usize, into: &mut Shards<'a>) {
        into.clear();
        // SAFETY: NumPy keeps `shard_bytes` bytes at each shard's address for as long as the array lives, which the
        // borrow of it in 'a makes sure of. Slices for writing are apart from these: those of other arrays, as
        // `check_apart_from` has made sure; those of this one are made when these are not in use any more. That no
        // other thread writes is the caller's duty.
        into.extend(
            self.addresses(group)
                .map(|shard| unsafe { core::slice::from_raw_parts(shard, self.shard_bytes) }),
        );
    }

    /// Has a group's shards fetched from memory, if there is such a group, while another is worked on.
    pub fn prefetch(&self, group: usize, shards: &mut Shards<'a>) {
        if group < self.groups() {
            self.group(group, shards);
            prefetch(shards);
            shards.clear();
        }
    }

    /// A group's shards for writing.
    ///
    /// # Safety
    /// [`Grid::check_writeable`] has passed, and no other slices of these shards are in use.
    pub unsafe fn group_mut(&self, group: usize, into: &mut ShardsMut<'a>) {
        into.clear();
        // SAFETY: as for `group`; the array is writeable and its shards are apart, as the caller has checked.
        let shard = |shard| unsafe { core::slice::from_raw_parts_mut(shard, self.shard_bytes) };
        into.extend(self.addresses(group).map(shard));
    }

    /// That the array is writeable, and that no shard shares memory with another.
    #[inline(always)]
    pub fn check_writeable(&self) -> PyResult<()> {
        if self.flags & (NPY_ARRAY_WRITEABLE as isize) == 0 {
            return Err(OutputError::new_err("a read-only array"));
        }
        // Each axis's steps are longer than all that lies within one.
        let holds = |outer: Axis, inner: Axis| {
            let span = inner.reach().saturating_add(self.shard_bytes);
            (outer.count < 2 || outer.stride.unsigned_abs() >= span)
                && (inner.count < 2 || inner.stride.unsigned_abs() >= self.shard_bytes)
        };
        if self.bytes() > 0 && !holds(self.groups, self.shards) && !holds(self.shards, self.groups) {
            return Err(OutputError::new_err("an array whose rows overlap"));
        }
        Ok(())
    }

    /// That no shard shares memory with one of the `input`.
    pub fn check_apart_from(&self, py: Python<'_>, input: &Grid<'_>) -> PyResult<()> {
        if meet(&self.extent(), &input.extent()) && self.overlaps(py, input)? {
            return Err(OutputError::new_err("an array that shares memory with the input"));
        }
        Ok(())
    }

    /// That no shard shares memory with any of the rows. Interleaved ones do not.
    #[inline(always)]
    pub fn check_apart_from_rows(&self, rows: &[&[u8]]) -> PyResult<()> {
        let extent = self.extent();
        let is_met = |row: &&[u8]| {
            let span = row.as_ptr().addr()..row.as_ptr().addr() + row.len();
            meet(&extent, &span)
                && (0..self.groups()).any(|group| self.spans(group).any(|mine| meet(&mine, &span)))
        };
        if rows.iter().any(is_met) {
            return Err(OutputError::new_err("an array that shares memory with the input"));
        }
        Ok(())
    }

    /// Whether any shard shares memory with one of `other`. Interleaved ones do not.
    fn overlaps(&self, py: Python<'_>, other: &Grid<'_>) -> PyResult<bool> {
        // Parts of the same groups, as data and parity of one array are: what holds for one group holds for all.
        let (mine, theirs) = (self.of_one_group().extent(), other.of_one_group().extent());
        let within = mine.end.max(theirs.end) - mine.start.min(theirs.start);
        if self.groups.count == other.groups.count
            && (self.groups.count == 1
                || self.groups.stride == other.groups.stride && self.groups.stride.unsigned_abs() >= within)
        {
            return Ok(self.spans(0).any(|mine| other.spans(0).any(|theirs| meet(&mine, &theirs))));
        }
        py.detach(|| {
            let (mine, theirs) = (self.sorted_starts()?, other.sorted_starts()?);
            let (mut mine, mut theirs) = (mine.iter().peekable(), theirs.iter().peekable());
            while let (Some(&&my_start), Some(&&their_start)) = (mine.peek(), theirs.peek()) {
                if my_start + self.shard_bytes <= their_start {
                    mine.next();
                } else if their_start + other.shard_bytes <= my_start {
                    theirs.next();
                } else {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The addresses of all shards, ascending.
    fn sorted_starts(&self) -> PyResult<Vec<usize>> {
        let mut starts = reserved(self.groups.count.saturating_mul(self.shards.count))?;
        starts.extend((0..self.groups.count).flat_map(|group| self.addresses(group)).map(<*mut u8>::addr));
        starts.sort_unstable();
        Ok(starts)
    }

    fn of_one_group(&self) -> Self {
        Self { groups: Axis::ONE, ..*self }
    }

    /// The addresses from the lowest shard's start to the highest shard's end; empty without elements.
    fn extent(&self) -> Range<usize> {
        if self.bytes() == 0 {
            return 0..0;
        }
        let start = self.first.addr() - self.groups.below() - self.shards.below();
        start..start + self.groups.reach() + self.shards.reach() + self.shard_bytes
    }

    fn spans(&self, group: usize) -> impl Iterator<Item = Range<usize>> {
        self.addresses(group).map(|shard| shard.addr()..shard.addr() + self.shard_bytes)
    }

    /// Where each shard of a group starts. An array without elements may have no memory at all; then nowhere is as good.
    fn addresses(&self, group: usize) -> impl Iterator<Item = *mut u8> + use<> {
        let first = self.first.wrapping_offset(group.cast_signed() * self.groups.stride);
        let (stride, is_empty) = (self.shards.stride, self.shard_bytes == 0);
        let address = move |shard| {
            if is_empty { core::ptr::dangling_mut() } else { first.wrapping_offset(shard * stride) }
        };
        (0..self.shards.count.cast_signed()).map(address)
    }
}

fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

#[cold]
#[inline(never)]
fn wrong_shape(array: &Bound<'_, PyUntypedArray>, name: &str, shape: Shape) -> PyErr {
    let named = |count: Option<usize>, unknown: &str| {
        count.map_or_else(|| unknown.to_owned(), |count| count.to_string())
    };
    let groups = if shape.has_groups { named(shape.groups, "g") + ", " } else { String::new() };
    let expected = format!("uint8[{groups}{}, {}] as {name}", shape.shards, named(shape.shard_bytes, "n"));
    ShardShapeError::new_err((expected, described(array)))
}
