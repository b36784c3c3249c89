//! Arithmetic in GF(2⁸) with the polynomial x⁸ + x⁴ + x³ + x² + 1.
//!
//! The polynomial is the one of RFC 5510 and of most erasure codecs; 2 generates its multiplicative group, so
//! logarithms to base 2 exist. Addition is XOR. A product of many elements is a sum of logarithms, reduced once.

/// The field's polynomial; bit i is the coefficient of xⁱ.
const POLYNOMIAL: u16 = 0x11D;

/// Order of the multiplicative group.
pub(crate) const ORDER: u32 = 255;

/// `POWERS[e]` = 2ᵉ.
pub(crate) const POWERS: [u8; 255] = {
    let mut powers = [0; 255];
    let mut element: u16 = 1;
    let mut exponent = 0;
    while exponent < powers.len() {
        powers[exponent] = element.to_le_bytes()[0];
        element <<= 1;
        if element > 0xFF {
            element ^= POLYNOMIAL;
        }
        exponent += 1;
    }
    powers
};

/// The exponent of each element but 0, which has none; its entry is never a factor.
static LOGARITHMS: [u8; 256] = {
    let mut logarithms = [0; 256];
    let mut exponent = 0;
    while exponent < POWERS.len() {
        logarithms[POWERS[exponent] as usize] = exponent.to_le_bytes()[0];
        exponent += 1;
    }
    logarithms
};

/// The exponent e of a = 2ᵉ, 0 ≤ e < 255. A difference of two distinct points is never 0.
pub(crate) fn logarithm(a: u8) -> u32 {
    debug_assert_ne!(a, 0, "0 has no logarithm");
    u32::from(LOGARITHMS[usize::from(a)])
}

/// 2ᵉ for any e.
pub(crate) fn power(exponent: u32) -> u8 {
    POWERS[(exponent % ORDER) as usize]
}

/// a·b: as polynomials over GF(2), doubling a for each bit of b.
pub(crate) const fn product(a: u8, b: u8) -> u8 {
    let mut sum = 0;
    let mut doubled = a as u16;
    let mut bit = 0;
    while bit < 8 {
        if b >> bit & 1 == 1 {
            sum ^= doubled;
        }
        doubled <<= 1;
        if doubled > 0xFF {
            doubled ^= POLYNOMIAL;
        }
        bit += 1;
    }
    sum.to_le_bytes()[0]
}

/// `PRODUCTS[a][b]` = a·b. 64 KiB, of which one product of a slice touches one row of 256 bytes.
pub(crate) static PRODUCTS: [[u8; 256]; 256] = {
    let mut products = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        let mut b = 1;
        while b < 256 {
            let exponent = (LOGARITHMS[a] as usize + LOGARITHMS[b] as usize) % ORDER as usize;
            products[a][b] = POWERS[exponent];
            b += 1;
        }
        a += 1;
    }
    products
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(PRODUCTS[usize::from(a)][usize::from(b)], product(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn logarithms_undo_powers() {
        for a in 1..=255 {
            assert_eq!(power(logarithm(a)), a);
            assert_eq!(product(a, power(2 * ORDER - logarithm(a))), 1, "1/{a}");
        }
    }
}
