//! The inner loop of all vector engines, over [`Vector`], which is what the instruction sets differ in.
//!
//! Everything here is inlined into one function per engine, which is compiled for that engine's instructions.
//!
//! A step makes R outputs of U vectors each from all inputs, with R·U sums in registers; inputs are read once a step,
//! two at a time where one instruction can add three. A last step that would not be whole is laid back over bytes
//! that are done already and makes them again: whole steps are faster than masked ones.

// One function per engine must hold all of it, or it is compiled for a CPU without the engine's instructions.
#![allow(clippy::inline_always)]
// Indices become constants when the loops are unrolled; iterators over arrays of arrays would hide which are meant.
#![allow(clippy::needless_range_loop)]

use core::ops::Range;

use super::{
    factors::{FirstRow, Pass},
    task::{Outputs, Task},
    vector::Vector,
};

/// What rows of outputs become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sink {
    Set,
    Add,
    Compare,
}

/// What one pass does to one block.
pub(super) struct Sweep<'a> {
    inputs: &'a [&'a [u8]],
    /// Of the pass's first multiplied row in the first input's column.
    factors: *const u64,
    /// How many of the inputs are in the row of ones.
    ones: usize,
    starts_with_ones: bool,
    first_is_rest_of_sum: bool,
    pub(super) sink: Sink,
    block: Range<usize>,
}

/// Blocks of rows so long that all inputs' blocks stay in a second-level cache while several passes read them.
const BLOCKS_BYTES: usize = 512 * 1024;

/// How many bytes of each row a task does at a time.
pub(super) fn block_bytes(task: &Task<'_, '_>) -> usize {
    let inputs = task.inputs.as_slice().len();
    if task.factors.is_one_pass() { usize::MAX } else { (BLOCKS_BYTES / inputs / 256).max(1) * 256 }
}

impl<'a> Sweep<'a> {
    /// One pass over one block.
    pub(super) fn new<V: Vector>(task: &Task<'a, '_>, pass: &Pass<'a>, block: Range<usize>) -> Self {
        let (ones, first_is_rest_of_sum) = match task.factors.first_row() {
            FirstRow::General => (0, false),
            FirstRow::Ones(ones) => (ones, false),
            FirstRow::SumIsOnes(ones) => (ones, true),
        };
        let multiplied = pass.rows.len() - usize::from(pass.has_ones);
        let factors = &pass.factors[task.first_column * multiplied * V::FACTOR_WORDS..];
        let sink = match task.outputs {
            Outputs::Set(_) => Sink::Set,
            Outputs::Add(_) => Sink::Add,
            Outputs::Compare(_) => Sink::Compare,
        };
        Self {
            inputs: task.inputs.as_slice(),
            factors: factors.as_ptr(),
            ones: ones.saturating_sub(task.first_column).min(task.inputs.as_slice().len()),
            starts_with_ones: sink == Sink::Set && task.first_column == 0 && task.factors.starts_with_ones(),
            first_is_rest_of_sum,
            sink,
            block,
        }
    }
}

/// Where the pass's outputs start.
pub(super) fn addresses<const R: usize>(outputs: &mut Outputs<'_, '_>, first: usize) -> [*mut u8; R] {
    core::array::from_fn(|row| match outputs {
        Outputs::Set(rows) | Outputs::Add(rows) => rows.as_mut_slice()[first + row].as_mut_ptr(),
        // Only read from.
        Outputs::Compare(rows) => rows.as_slice()[first + row].as_ptr().cast_mut(),
    })
}

/// Makes the block of R outputs, U vectors a step; the first is `ONES`, and they are all `IS_SET`. False if one that
/// is compared differs.
///
/// # Safety
/// As for [`Vector`]; every input and output holds the block, and no output shares memory with another row.
#[inline(always)]
pub(super) unsafe fn sweep<
    V: Vector,
    const R: usize,
    const U: usize,
    const ONES: bool,
    const IS_SET: bool,
>(
    sweep: &Sweep<'_>,
    outputs: [*mut u8; R],
) -> bool {
    let (mut at, end) = (sweep.block.start, sweep.block.end);
    let step_bytes = U * V::BYTES;
    // Adding twice is not adding once, so these go on in smaller steps.
    let may_repeat = IS_SET || sweep.sink != Sink::Add;
    // SAFETY: every input and output holds the block, by the caller, and each step lies within it: it starts at the block's
    // start or later, or `step_bytes` before an end that is no less than that, and stops at its end at the latest.
    unsafe {
        let mut difference = V::zero();
        while at + step_bytes <= end {
            difference = difference.or(step::<V, R, U, ONES, IS_SET, false>(sweep, &outputs, at, 0));
            at += step_bytes;
        }
        if at < end && may_repeat && end >= step_bytes {
            difference =
                difference.or(step::<V, R, U, ONES, IS_SET, false>(sweep, &outputs, end - step_bytes, 0));
            at = end;
        }
        while at + V::BYTES <= end {
            difference = difference.or(step::<V, R, 1, ONES, IS_SET, false>(sweep, &outputs, at, 0));
            at += V::BYTES;
        }
        if at < end {
            difference = difference.or(step::<V, R, 1, ONES, IS_SET, true>(sweep, &outputs, at, end - at));
        }
        IS_SET || sweep.sink != Sink::Compare || difference.is_zero()
    }
}

/// One step at byte `at`: of U whole vectors, or of one with `bytes` bytes if `IS_PART`. Returns the sums.
///
/// # Safety
/// As for [`sweep`], for the bytes of the step.
#[inline(always)]
#[allow(clippy::too_many_lines)] // the inner loop: sums stay in registers from load to store
unsafe fn step<
    V: Vector,
    const R: usize,
    const U: usize,
    const ONES: bool,
    const IS_SET: bool,
    const IS_PART: bool,
>(
    sweep: &Sweep<'_>,
    outputs: &[*mut u8; R],
    at: usize,
    bytes: usize,
) -> V {
    let first = usize::from(ONES);
    let column_words = (R - first) * V::FACTOR_WORDS;
    let (mut column, mut factors) = (0, sweep.factors);
    // SAFETY: the CPU has the instructions, and rows hold the step's bytes, both by the caller; `column` stays below the number
    // of inputs; and `factors`, which goes on by a column with it, holds R rows of factors, less the one of ones, for each.
    unsafe {
        let load = |row: *const u8, u: usize| {
            if IS_PART { V::load_part(row.add(at), bytes) } else { V::load(row.add(at + u * V::BYTES)) }
        };
        let input = |column: usize| -> [V; U] {
            let row = sweep.inputs.get_unchecked(column).as_ptr();
            core::array::from_fn(|u| load(row, u))
        };

        let mut sums = [[V::zero(); U]; R];
        if !IS_SET {
            sums = core::array::from_fn(|row| core::array::from_fn(|u| load(outputs[row], u)));
        } else if sweep.starts_with_ones {
            sums = [input(0); R];
            factors = factors.add(column_words);
            column = 1;
        }

        while V::ADDS_THREE && column + 2 <= sweep.inputs.len() {
            let (a, b) = (input(column), input(column + 1));
            if ONES && column + 1 < sweep.ones {
                for u in 0..U {
                    sums[0][u] = sums[0][u].plus_both(a[u], b[u]);
                }
            } else if ONES && column < sweep.ones {
                for u in 0..U {
                    sums[0][u] = sums[0][u].plus(a[u]);
                }
            }
            let (a, b) = (a.map(|a| a.ready()), b.map(|b| b.ready()));
            for row in first..R {
                let of_a = V::factor(factors.add((row - first) * V::FACTOR_WORDS));
                let of_b = V::factor(factors.add(column_words + (row - first) * V::FACTOR_WORDS));
                for u in 0..U {
                    sums[row][u] = sums[row][u].plus_both(V::times(a[u], of_a), V::times(b[u], of_b));
                }
            }
            factors = factors.add(2 * column_words);
            column += 2;
        }
        while column < sweep.inputs.len() {
            let a = input(column);
            if ONES && column < sweep.ones {
                for u in 0..U {
                    sums[0][u] = sums[0][u].plus(a[u]);
                }
            }
            let a = a.map(|a| a.ready());
            for row in first..R {
                let factor = V::factor(factors.add((row - first) * V::FACTOR_WORDS));
                for u in 0..U {
                    sums[row][u] = sums[row][u].plus(V::times(a[u], factor));
                }
            }
            factors = factors.add(column_words);
            column += 1;
        }

        if ONES && IS_SET && sweep.first_is_rest_of_sum {
            for row in 1..R {
                for u in 0..U {
                    sums[0][u] = sums[0][u].plus(sums[row][u]);
                }
            }
        }
        let mut any = V::zero();
        for (row, sums) in sums.iter().enumerate() {
            for (u, &sum) in sums.iter().enumerate() {
                if !IS_SET && sweep.sink == Sink::Compare {
                    any = any.or(sum);
                } else if IS_PART {
                    sum.store_part(outputs[row].add(at), bytes);
                } else {
                    sum.store(outputs[row].add(at + u * V::BYTES));
                }
            }
        }
        any
    }
}

/// The `run` of a [`Backend`](super::task::Backend) for a vector type: `rows x vectors` for each size of pass there can be.
macro_rules! run {
    ($vector:ty, $features:literal, $($rows:literal x $vectors:literal),+) => {
        use crate::engine::{kernel::{Sink, Sweep, addresses, block_bytes}, task::Task};

        #[target_feature(enable = $features)]
        unsafe fn run(mut task: Task<'_, '_>) -> bool {
            let (length, block) = (task.inputs.row_bytes(), block_bytes(&task));
            let mut start = 0;
            while start < length {
                let end = length.min(start.saturating_add(block));
                for pass in task.factors.passes() {
                    let of = Sweep::new::<$vector>(&task, &pass, start..end);
                    let (first, outputs) = (pass.rows.start, &mut task.outputs);
                    // SAFETY: the CPU has the features and the task fits its factors, by this function's caller; the
                    // block is within the rows' length; and `Task` holds exclusive slices for what is written.
                    let is_equal = unsafe {
                        match (pass.rows.len(), pass.has_ones, of.sink == Sink::Set) {
                            $(
                                ($rows, true, true) => sweep::<$rows, $vectors, true, true>(&of, addresses(outputs, first)),
                                ($rows, true, false) => sweep::<$rows, $vectors, true, false>(&of, addresses(outputs, first)),
                                ($rows, false, true) => sweep::<$rows, $vectors, false, true>(&of, addresses(outputs, first)),
                                ($rows, false, false) => sweep::<$rows, $vectors, false, false>(&of, addresses(outputs, first)),
                            )+
                            _ => unreachable!("a pass has at most `pass_rows` rows"),
                        }
                    };
                    if !is_equal {
                        return false;
                    }
                }
                start = end;
            }
            true
        }

        /// [`kernel::sweep`], compiled for this engine's instructions, and by itself: then all it needs stays in registers.
        ///
        /// # Safety
        /// As for [`kernel::sweep`].
        #[target_feature(enable = $features)]
        #[inline(never)]
        unsafe fn sweep<const R: usize, const U: usize, const ONES: bool, const IS_SET: bool>(
            of: &Sweep<'_>,
            outputs: [*mut u8; R],
        ) -> bool {
            // SAFETY: this asks of its caller what `kernel::sweep` does.
            unsafe { kernel::sweep::<$vector, R, U, ONES, IS_SET>(of, outputs) }
        }
    };
}
pub(super) use run;
