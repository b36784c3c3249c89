//! The usual form of a request for a session, read from JSON in one pass.
//!
//! Only what is certainly right is read. Anything else is left to the service's full check, which accepts more and finds all
//! faults: numbers such as `5.0`, escapes, text that is not ASCII, expected loss. So there is one definition of what is
//! right, and this is a shorter way to the same result.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The words and limits that a body is read by.
#[derive(Clone, Debug)]
pub struct BodyReader {
    /// The words of `mode`, in lower case; a body may have them in any.
    pub modes: Vec<String>,
    /// The words of `priority`, likewise.
    pub priorities: Vec<String>,
    /// How many streams there may be.
    pub streams_max: usize,
    /// How many characters a stream's name may have.
    pub name_max_length: usize,
    /// The most that a stream may ask for, in kbit/s.
    pub kbps_max: u64,
    /// The highest priority.
    pub priority_max: u64,
}

/// A request for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualBody<'a> {
    /// Its device: printable ASCII; whether it has the form of an id is still to be checked.
    pub device_id: &'a str,
    /// Its streams, at least one.
    pub streams: Vec<UsualStream<'a>>,
    /// Its life, if given.
    pub ttl_seconds: Option<u64>,
    /// How strong it is against others, if given.
    pub setup_priority: Option<u64>,
    /// How strong it is later, if given.
    pub hold_priority: Option<u64>,
}

/// A stream of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsualStream<'a> {
    /// Its name, which no other stream has.
    pub name: &'a str,
    /// Which of the words its mode is.
    pub mode: usize,
    /// Which of the words its priority is.
    pub priority: usize,
    /// What it asks for.
    pub bandwidth_kbps: u64,
    /// What it can do with, if given.
    pub min_bandwidth_kbps: Option<u64>,
}

impl BodyReader {
    /// The request in a body; `None` if it is not certainly right.
    #[must_use]
    pub fn read<'a>(&self, raw: &'a [u8], ttl_max_seconds: u64) -> Option<UsualBody<'a>> {
        let Object(body) = serde_json::from_slice::<Object<Body<'a>>>(raw).ok()?;
        let streams =
            body.streams.iter().map(|Object(stream)| self.stream(stream)).collect::<Option<Vec<_>>>()?;
        let is_priority =
            |priority: Option<u64>| priority.is_none_or(|priority| priority <= self.priority_max);
        let is_right = is_printable(body.device_id)
            && (1..=self.streams_max).contains(&streams.len())
            && are_distinct(&streams)
            && body.ttl_seconds.is_none_or(|ttl| (1..=ttl_max_seconds).contains(&ttl))
            && is_priority(body.setup_priority)
            && is_priority(body.hold_priority)
            && body.setup_priority.zip(body.hold_priority).is_none_or(|(setup, hold)| setup <= hold);
        is_right.then_some(UsualBody {
            device_id: body.device_id,
            streams,
            ttl_seconds: body.ttl_seconds,
            setup_priority: body.setup_priority,
            hold_priority: body.hold_priority,
        })
    }

    fn stream<'a>(&self, stream: &Stream<'a>) -> Option<UsualStream<'a>> {
        let Object(Qos { priority, bandwidth_kbps, min_bandwidth_kbps }) = stream.qos;
        let is_right = is_printable(stream.name)
            && (1..=self.name_max_length).contains(&stream.name.len())
            && (1..=self.kbps_max).contains(&bandwidth_kbps)
            && min_bandwidth_kbps.is_none_or(|least| (1..=bandwidth_kbps).contains(&least));
        is_right.then_some(UsualStream {
            name: stream.name,
            mode: which(&self.modes, stream.mode)?,
            priority: which(&self.priorities, priority)?,
            bandwidth_kbps,
            min_bandwidth_kbps,
        })
    }
}

/// Which of the words a text is, in whatever case.
fn which(words: &[String], text: &str) -> Option<usize> {
    let lowered = || text.bytes().map(|byte| byte.to_ascii_lowercase());
    words.iter().position(|word| word.bytes().eq(lowered()))
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn are_distinct(streams: &[UsualStream<'_>]) -> bool {
    let mut names: Vec<&str> = streams.iter().map(|stream| stream.name).collect();
    names.sort_unstable();
    names.is_sorted_by(|one, next| one < next)
}

// As the body has them. A text is borrowed, which one with an escape can't be; a member that is unknown, or there twice,
// is an error.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    device_id: &'a str,
    #[serde(borrow)]
    streams: Vec<Object<Stream<'a>>>,
    ttl_seconds: Option<u64>,
    setup_priority: Option<u64>,
    hold_priority: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream<'a> {
    name: &'a str,
    mode: &'a str,
    #[serde(borrow)]
    qos: Object<Qos<'a>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Qos<'a> {
    priority: &'a str,
    bandwidth_kbps: u64,
    min_bandwidth_kbps: Option<u64>,
}

/// A struct in the form of an object: serde would also read it from an array of its members.
#[derive(Clone, Copy)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
