//! What the link scheduler refuses. After an error it is as it was.

use core::fmt;

/// An argument that the scheduler can't take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// A handle that was never given, or whose class or stream was removed.
    UnknownHandle {
        /// The argument.
        field: &'static str,
        /// Its position in a batch.
        index: Option<usize>,
        /// The handle.
        found: u32,
    },
    /// A class where a stream belongs, or the other way round, or the root where it can't be.
    WrongKind {
        /// The argument.
        field: &'static str,
        /// Its position in a batch.
        index: Option<usize>,
        /// What belongs there.
        expected: &'static str,
        /// The handle.
        found: u32,
    },
    /// A number out of range.
    OutOfRange {
        /// The argument.
        field: &'static str,
        /// Its position in a batch.
        index: Option<usize>,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
        /// What was given.
        found: u64,
    },
    /// Columns of different lengths.
    Length {
        /// The argument.
        field: &'static str,
        /// The length of the first column.
        expected: usize,
        /// Its own.
        found: usize,
    },
    /// A time before one that was given already.
    TimeBackwards {
        /// The latest time so far.
        last_ns: u64,
        /// What was given.
        found_ns: u64,
    },
    /// Guarantees that together are more than a ceiling, or than the link.
    OverCommitted {
        /// The argument.
        field: &'static str,
        /// The class whose ceiling it is; the root for the link.
        class: u32,
        /// What there is.
        capacity_kbps: u64,
        /// What would be guaranteed.
        guaranteed_kbps: u64,
    },
    /// A delay that can't be kept beside the guarantees of others.
    DelayOutOfReach {
        /// The class that can't keep it: the root, for the link.
        class: u32,
        /// The least that could be kept there, if any.
        least_us: Option<u64>,
        /// What was asked for.
        found_us: u64,
        /// What ceilings may hold back of others' guarantees: less with more `burst_bytes`.
        held_bytes: u64,
    },
    /// A delay beside a ceiling of the stream's own.
    DelayWithCeiling {
        /// What was asked for.
        found_us: u64,
    },
    /// A delay in a class with a ceiling, or in a descendant of one.
    DelayUnderCeiling {
        /// The class with the ceiling.
        class: u32,
        /// What was asked for.
        found_us: u64,
    },
    /// A ceiling over streams to which delays are promised.
    CeilingOverDelay {
        /// The class that was to get it.
        class: u32,
        /// The ceiling.
        found_kbps: u64,
    },
    /// A delay without a rate: nothing would be within it.
    DelayWithoutRate {
        /// What was asked for.
        found_us: u64,
    },
    /// A guarantee, or a rate of the link, with which a delay that was promised could not be kept.
    BreaksDelay {
        /// What would be guaranteed, or the rate.
        found_kbps: u64,
        /// What ceilings may hold back of guarantees: less with more `burst_bytes`.
        held_bytes: u64,
    },
    /// A class with too many ancestors.
    TooDeep {
        /// How many there can be.
        most: u32,
    },
    /// More packets at once than there is memory for.
    Memory {
        /// How many.
        packets: usize,
    },
    /// More classes and streams than handles.
    Full {
        /// How many there can be.
        most: usize,
    },
}

/// What to do about guarantees that ceilings may hold back.
fn with_more_burst(held_bytes: u64) -> String {
    match held_bytes {
        0 => String::new(),
        _ => format!(
            ", or more burst_bytes where there is a ceil_kbps: ceilings may hold back {held_bytes} bytes"
        ),
    }
}

impl LinkError {
    pub(super) const fn wrong_handle(expected: &'static str, found: u32) -> Self {
        Self::WrongKind { field: "handle", index: None, expected, found }
    }

    /// With the delay that was asked for, of which a check knows only what the packet on its way leaves.
    pub(super) fn of_delay(mut self, max_delay_us: Option<u64>) -> Self {
        if let (Self::DelayOutOfReach { found_us, .. }, Some(asked_us)) = (&mut self, max_delay_us) {
            *found_us = asked_us;
        }
        self
    }

    /// The argument that is wrong, as `streams[3]`.
    #[must_use]
    pub fn field(&self) -> String {
        match *self {
            Self::UnknownHandle { field, index, .. }
            | Self::WrongKind { field, index, .. }
            | Self::OutOfRange { field, index, .. } => {
                index.map_or_else(|| field.to_owned(), |index| format!("{field}[{index}]"))
            }
            Self::Length { field, .. } | Self::OverCommitted { field, .. } => field.to_owned(),
            Self::BreaksDelay { .. } => "rate_kbps".to_owned(),
            Self::TimeBackwards { .. } => "now_ns".to_owned(),
            Self::DelayOutOfReach { .. }
            | Self::DelayUnderCeiling { .. }
            | Self::DelayWithCeiling { .. }
            | Self::DelayWithoutRate { .. } => "max_delay_us".to_owned(),
            Self::CeilingOverDelay { .. } => "ceil_kbps".to_owned(),
            Self::Memory { .. } => "streams".to_owned(),
            Self::TooDeep { .. } | Self::Full { .. } => "parent".to_owned(),
        }
    }

    /// What would have been right.
    #[must_use]
    pub fn expected(&self) -> String {
        match *self {
            Self::UnknownHandle { .. } => "a handle of this link that was not removed".to_owned(),
            Self::WrongKind { expected, .. } => expected.to_owned(),
            Self::OutOfRange { least, most, .. } => format!("{least} to {most}"),
            Self::Length { expected, .. } => format!("{expected} entries"),
            Self::TimeBackwards { last_ns, .. } => format!("at least {last_ns}"),
            Self::OverCommitted { class, capacity_kbps, .. } => {
                format!("guarantees of at most {capacity_kbps} kbps in all within class {class}")
            }
            Self::DelayOutOfReach { class, least_us: Some(least_us), held_bytes, .. } => {
                format!(
                    "at least {least_us}, for class {class} to keep it beside the others{}",
                    with_more_burst(held_bytes)
                )
            }
            Self::DelayOutOfReach { class, least_us: None, held_bytes, .. } => {
                format!(
                    "no delay, as class {class} can't keep one beside the others{}",
                    with_more_burst(held_bytes)
                )
            }
            Self::DelayUnderCeiling { class, .. } => {
                format!(
                    "no delay under the ceiling of class {class}; it can be promised in the root and in classes with no ceiling of theirs or of an ancestor's"
                )
            }
            Self::CeilingOverDelay { class, .. } => {
                format!("no ceiling, as streams in class {class} have a max_delay_us")
            }
            Self::DelayWithCeiling { .. } => "no delay beside a ceil_kbps, which would put it off".to_owned(),
            Self::DelayWithoutRate { .. } => "no delay without a rate".to_owned(),
            Self::BreaksDelay { held_bytes, .. } => {
                format!(
                    "a rate with which the link keeps the delays that it has promised{}",
                    with_more_burst(held_bytes)
                )
            }
            Self::TooDeep { most } => format!("at most {most} classes inside each other"),
            Self::Memory { .. } => "no more packets than there is memory for".to_owned(),
            Self::Full { most } => format!("at most {most} classes and streams"),
        }
    }

    /// What was given.
    #[must_use]
    pub fn found(&self) -> String {
        match *self {
            Self::UnknownHandle { found, .. } => found.to_string(),
            Self::WrongKind { expected, found, .. } => {
                let kind = match expected {
                    "a stream" => "a class",
                    "a class" => "a stream",
                    _ => "the root",
                };
                format!("{found}, which is {kind}")
            }
            Self::OutOfRange { found, .. } => found.to_string(),
            Self::Length { found, .. } => found.to_string(),
            Self::TimeBackwards { found_ns, .. } => found_ns.to_string(),
            Self::OverCommitted { guaranteed_kbps: kbps, .. }
            | Self::BreaksDelay { found_kbps: kbps, .. }
            | Self::CeilingOverDelay { found_kbps: kbps, .. } => {
                format!("{kbps} kbps")
            }
            Self::DelayOutOfReach { found_us, .. }
            | Self::DelayUnderCeiling { found_us, .. }
            | Self::DelayWithCeiling { found_us }
            | Self::DelayWithoutRate { found_us } => found_us.to_string(),
            Self::Memory { packets } => packets.to_string(),
            Self::TooDeep { .. } | Self::Full { .. } => "one more".to_owned(),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field(), self.expected(), self.found())
    }
}

impl core::error::Error for LinkError {}
