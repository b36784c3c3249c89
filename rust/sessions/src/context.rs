//! What a key is bound to, as bytes that can be read in one way only.

use core::fmt;

const MAGIC: &[u8] = b"HL1";

/// A label, a count or a field that is too long for its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextError {
    /// The bytes of the longest field.
    pub longest: usize,
}

impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected lengths that fit their prefix, found a field of {} bytes", self.longest)
    }
}

impl core::error::Error for ContextError {}

/// `"HL1" ‖ u16 length ‖ label ‖ u16 count ‖ (u32 length ‖ value)*`, big-endian: each behind its length, so that no field
/// can pose as two.
pub fn encode(label: &str, fields: &[&[u8]]) -> Result<Vec<u8>, ContextError> {
    let longest = fields.iter().map(|field| field.len()).max().unwrap_or_default();
    encoded(label, fields).ok_or(ContextError { longest })
}

fn encoded(label: &str, fields: &[&[u8]]) -> Option<Vec<u8>> {
    let mut context = Vec::with_capacity(128); // what the contexts of a session need
    context.extend(MAGIC);
    context.extend(u16::try_from(label.len()).ok()?.to_be_bytes());
    context.extend(label.as_bytes());
    context.extend(u16::try_from(fields.len()).ok()?.to_be_bytes());
    for field in fields {
        context.extend(u32::try_from(field.len()).ok()?.to_be_bytes());
        context.extend(*field);
    }
    Some(context)
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn each_field_stands_behind_its_length() {
        let expected = b"HL1\0\x06stream\0\x02\0\0\0\x02ab\0\0\0\x01c";
        assert_eq!(encode("stream", &[b"ab", b"c"]).expect("it is short"), expected);
        assert_eq!(encode("", &[]).expect("it is short"), b"HL1\0\0\0\0");
    }

    #[test]
    fn a_length_that_no_prefix_holds_is_refused() {
        assert!(encode(&"x".repeat(1 << 16), &[]).is_err());
        let error = encode("x", &vec![&b"ab"[..]; 1 << 16]).expect_err("there are too many fields");
        assert_eq!(error.to_string(), "expected lengths that fit their prefix, found a field of 2 bytes");
    }
}
