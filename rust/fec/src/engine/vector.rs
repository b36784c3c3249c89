//! A register full of bytes: what the kernel needs of an instruction set.

/// A vector of bytes.
///
/// # Safety
/// Whoever calls any of this runs on a CPU with the engine's instructions. Addresses are good for `BYTES` bytes, or
/// for the `bytes` given, fewer than that; that of a factor is good for its `FACTOR_WORDS` words. None need be aligned.
pub(super) unsafe trait Vector: Copy {
    const BYTES: usize;
    /// Words of u64 of one factor.
    const FACTOR_WORDS: usize;
    /// Whether adding three is one instruction.
    const ADDS_THREE: bool;
    /// A coefficient in registers.
    type Factor: Copy;
    /// A vector made ready to be multiplied.
    type Factored: Copy;

    unsafe fn zero() -> Self;
    unsafe fn load(from: *const u8) -> Self;
    unsafe fn load_part(from: *const u8, bytes: usize) -> Self;
    unsafe fn store(self, to: *mut u8);
    unsafe fn store_part(self, to: *mut u8, bytes: usize);
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn plus_both(self, a: Self, b: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    unsafe fn is_zero(self) -> bool;
    unsafe fn factor(from: *const u64) -> Self::Factor;
    unsafe fn ready(self) -> Self::Factored;
    unsafe fn times(vector: Self::Factored, factor: Self::Factor) -> Self;
}

/// `Bytes`, a [`Vector`] over a register for instruction sets without masks and without an addition of three: all but
/// AVX-512. Each engine names its intrinsics; the parts of a register, and why all of it is sound, stand here once.
macro_rules! vector {
    (
        $register:ty, $bytes:literal, $words:literal,
        zero: $zero:expr,
        load: |$load_from:ident| $load:expr,
        store: |$store_to:ident, $stored:ident| $store:expr,
        xor: $xor:ident,
        or: $or:ident,
        is_zero: |$tested:ident| $is_zero:expr,
        factor: |$factor_from:ident| -> $factor_type:ty { $factor_value:expr },
        ready: |$readied:ident| -> $factored:ty { $ready:expr },
        times: |$vector:ident, $factor:ident| $times:expr,
    ) => {
        #[derive(Clone, Copy)]
        struct Bytes($register);

        // SAFETY: `load` and `store` touch the register's bytes, which are `BYTES`; the parts touch no more than `bytes`,
        // as they go through a copy; `factor` reads the words that a factor has; nothing else touches memory.
        unsafe impl $crate::engine::vector::Vector for Bytes {
            const BYTES: usize = $bytes;
            const FACTOR_WORDS: usize = $words;
            const ADDS_THREE: bool = false;
            type Factor = $factor_type;
            type Factored = $factored;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
                Self(unsafe { $zero })
            }

            #[inline(always)]
            unsafe fn load($load_from: *const u8) -> Self {
                // SAFETY: the CPU has the instruction, and `BYTES` bytes are there to be read, both by the caller.
                Self(unsafe { $load })
            }

            #[inline(always)]
            unsafe fn load_part(from: *const u8, bytes: usize) -> Self {
                let mut whole = [0; Self::BYTES];
                // SAFETY: fewer than `BYTES` bytes are copied, which are there by the caller, to a local that is apart
                // from them; all of that local is read.
                unsafe {
                    from.copy_to_nonoverlapping(whole.as_mut_ptr(), bytes);
                    Self::load(whole.as_ptr())
                }
            }

            #[inline(always)]
            unsafe fn store(self, $store_to: *mut u8) {
                let $stored = self.0;
                // SAFETY: the CPU has the instruction, and `BYTES` bytes are there to be written, both by the caller.
                unsafe { $store }
            }

            #[inline(always)]
            unsafe fn store_part(self, to: *mut u8, bytes: usize) {
                let mut whole = [0; Self::BYTES];
                // SAFETY: all of a local is written, and fewer than its `BYTES` bytes are copied from it to where the
                // caller has room for them, which is apart from it.
                unsafe {
                    self.store(whole.as_mut_ptr());
                    to.copy_from_nonoverlapping(whole.as_ptr(), bytes);
                }
            }

            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
                Self(unsafe { $xor(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn plus_both(self, a: Self, b: Self) -> Self {
                // SAFETY: `plus` asks of its caller what this does, and the caller has vouched for that.
                unsafe { self.plus(a).plus(b) }
            }

            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
                Self(unsafe { $or(self.0, other.0) })
            }

            #[inline(always)]
            unsafe fn is_zero(self) -> bool {
                let $tested = self.0;
                // SAFETY: the CPU has the instructions, by the caller; they touch no memory.
                unsafe { $is_zero }
            }

            #[inline(always)]
            unsafe fn factor($factor_from: *const u64) -> Self::Factor {
                // SAFETY: the CPU has the instructions, and `FACTOR_WORDS` words are there to be read, both by the caller.
                unsafe { $factor_value }
            }

            #[allow(unused_unsafe)] // some multiply a vector as it is
            #[inline(always)]
            unsafe fn ready(self) -> Self::Factored {
                let $readied = self.0;
                // SAFETY: the CPU has the instructions, by the caller; they touch no memory.
                unsafe { $ready }
            }

            #[inline(always)]
            unsafe fn times($vector: Self::Factored, $factor: Self::Factor) -> Self {
                // SAFETY: the CPU has the instructions, by the caller; they touch no memory.
                Self(unsafe { $times })
            }
        }
    };
}
pub(super) use vector;
