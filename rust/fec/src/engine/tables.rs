//! A coefficient in the form that each kind of engine multiplies with.

use crate::field::product;

/// The coefficient itself.
pub(super) static ELEMENTS: [u64; 256] = {
    let mut elements = [0; 256];
    let mut element = 0;
    while element < 256 {
        elements[element] = element as u64;
        element += 1;
    }
    elements
};

/// Multiplication by a coefficient as an 8 × 8 matrix of bits, as `GF2P8AFFINEQB` takes it: byte 7 − i makes bit i
/// of the product, from the bits of the factor that are set in it.
#[cfg(target_arch = "x86_64")]
pub(super) static BIT_MATRICES: [u64; 256] = {
    let mut matrices = [0; 256];
    let mut coefficient: usize = 0;
    while coefficient < 256 {
        let mut bit = 0;
        while bit < 8 {
            let column = product(coefficient.to_le_bytes()[0], 1 << bit) as u64;
            let mut i = 0;
            while i < 8 {
                matrices[coefficient] |= (column >> i & 1) << ((7 - i) * 8 + bit);
                i += 1;
            }
            bit += 1;
        }
        coefficient += 1;
    }
    matrices
};

/// Multiplication by a coefficient as two look-ups of 16 bytes, for the low and the high half of the factor.
pub(super) static NIBBLES: [[u64; 4]; 256] = {
    let mut tables = [[0; 4]; 256];
    let mut coefficient: usize = 0;
    while coefficient < 256 {
        let mut nibble: usize = 0;
        while nibble < 16 {
            let low = product(coefficient.to_le_bytes()[0], nibble.to_le_bytes()[0]) as u64;
            let high = product(coefficient.to_le_bytes()[0], (nibble << 4).to_le_bytes()[0]) as u64;
            tables[coefficient][nibble / 8] |= low << (nibble % 8 * 8);
            tables[coefficient][2 + nibble / 8] |= high << (nibble % 8 * 8);
            nibble += 1;
        }
        coefficient += 1;
    }
    tables
};
