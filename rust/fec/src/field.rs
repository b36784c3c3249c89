//! Arithmetic in GF(2⁸) with the polynomial x⁸ + x⁴ + x³ + x² + 1.
//!
//! The polynomial is the one of RFC 5510 and of most erasure codecs; 2 generates its multiplicative group, so
//! logarithms to base 2 exist. Addition is XOR.

/// The field's polynomial; bit i is the coefficient of xⁱ.
const POLYNOMIAL: u16 = 0x11D;

/// Order of the multiplicative group.
const ORDER: usize = 255;

struct Logarithms {
    /// 2ⁱ, twice over, so that a sum of two logarithms needs no reduction.
    power: [u8; 2 * ORDER],
    log: [u8; 256],
}

const LOGARITHMS: Logarithms = {
    let mut power = [0; 2 * ORDER];
    let mut log = [0; 256];
    let mut element: u16 = 1;
    let mut exponent = 0;
    while exponent < ORDER {
        let byte = element.to_le_bytes()[0];
        power[exponent] = byte;
        power[exponent + ORDER] = byte;
        log[byte as usize] = exponent.to_le_bytes()[0];
        element <<= 1;
        if element > 0xFF {
            element ^= POLYNOMIAL;
        }
        exponent += 1;
    }
    Logarithms { power, log }
};

/// `PRODUCTS[a][b]` = a·b. 64 KiB, of which one product of a slice touches one row of 256 bytes.
pub(crate) static PRODUCTS: [[u8; 256]; 256] = {
    let mut products = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        let mut b = 1;
        while b < 256 {
            let exponent = LOGARITHMS.log[a] as usize + LOGARITHMS.log[b] as usize;
            products[a][b] = LOGARITHMS.power[exponent];
            b += 1;
        }
        a += 1;
    }
    products
};

/// a·b.
pub(crate) fn product(a: u8, b: u8) -> u8 {
    PRODUCTS[usize::from(a)][usize::from(b)]
}

/// 1/a.
///
/// # Panics
/// When a = 0, which has no inverse.
pub(crate) fn inverse(a: u8) -> u8 {
    assert_ne!(a, 0, "0 has no inverse");
    LOGARITHMS.power[ORDER - usize::from(LOGARITHMS.log[usize::from(a)])]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: multiply as polynomials over GF(2), then reduce.
    fn product_by_definition(a: u8, b: u8) -> u8 {
        let long = (0..8).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum ^ (u16::from(a) << bit));
        let reduced = (8..15).rev().fold(long, |rest, bit| {
            if rest >> bit & 1 == 1 { rest ^ (POLYNOMIAL << (bit - 8)) } else { rest }
        });
        u8::try_from(reduced).expect("the degree is below 8")
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(product(a, b), product_by_definition(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn each_element_but_zero_has_an_inverse() {
        for a in 1..=255 {
            assert_eq!(product(a, inverse(a)), 1, "{a}");
        }
    }

    #[test]
    #[should_panic(expected = "0 has no inverse")]
    fn zero_has_none() {
        inverse(0);
    }
}
