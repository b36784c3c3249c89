//! What is queued, and the limits on it.

use super::{Drop, LinkError, LinkScheduler, fair::Child, node::Node, packets::Packet};

impl LinkScheduler {
    /// Queues packets of `sizes[i]` bytes on `streams[i]`, in order, and writes a [`Drop`] code for each. Gives how many
    /// were accepted.
    ///
    /// # Errors
    /// For the whole batch, of which nothing is queued: [`LinkError::Length`], [`LinkError::TimeBackwards`],
    /// [`LinkError::UnknownHandle`], [`LinkError::WrongKind`] for a class, [`LinkError::OutOfRange`] for a size,
    /// [`LinkError::Memory`] when there is no room for so many.
    pub fn enqueue(
        &mut self,
        streams: &[u32],
        sizes: &[u32],
        now_ns: u64,
        drops: &mut [u8],
    ) -> Result<usize, LinkError> {
        self.check_batch(streams, sizes, drops.len())?;
        self.check_time(now_ns)?;
        self.packets.reserve(streams.len())?;
        let at_ns = self.catch_up(now_ns);
        let mut accepted = 0;
        for ((&stream, &size), drop) in streams.iter().zip(sizes).zip(drops) {
            let verdict = self.queue(Self::index(stream), size, at_ns);
            accepted += usize::from(verdict == Drop::Accepted);
            *drop = verdict as u8;
        }
        Ok(accepted)
    }

    /// Looks at every stream before any is changed. That it also brings all of them into the cache, side by side, is
    /// half of the speed with many streams.
    fn check_batch(&self, streams: &[u32], sizes: &[u32], drops: usize) -> Result<(), LinkError> {
        let expected = streams.len();
        for (field, found) in [("sizes", sizes.len()), ("drops", drops)] {
            if found != expected {
                return Err(LinkError::Length { field, expected, found });
            }
        }
        let mtu_bytes = self.options.mtu_bytes;
        if let Some(index) = sizes.iter().position(|size| !(1..=mtu_bytes).contains(size)) {
            let (most, found) = (mtu_bytes.into(), sizes[index].into());
            return Err(LinkError::OutOfRange { field: "sizes", index: Some(index), least: 1, most, found });
        }
        let is_stream = |&handle: &u32| {
            let node = self.nodes.get(Self::index(handle) as usize);
            node.is_some_and(|node| (node.handle == handle) & !node.is(Node::FREE | Node::IS_CLASS))
        };
        // All are looked at, without a branch between two of them, so that the processor waits for many at once.
        if streams.iter().fold(true, |all, handle| all & is_stream(handle)) {
            assert!(self.are_placed(streams), "each has its place in its class");
            assert!(self.have_curves(streams), "each that has a guarantee has its curve");
            return Ok(());
        }
        let index = streams.iter().position(|handle| !is_stream(handle)).expect("one is none");
        self.find_stream("streams", Some(index), streams[index]).map(|_| ())
    }

    /// Whether each has the place in its class that it says. It always has; but looking brings the classes into the cache
    /// as well.
    fn are_placed(&self, streams: &[u32]) -> bool {
        streams.iter().map(|&stream| Self::index(stream)).fold(true, |all, id| {
            let node = &self.nodes[id as usize];
            all & self.classes[node.parent as usize].fair.has(node.place, Child::Stream(id))
        })
    }

    /// Whether each that is guaranteed a rate has one, which again is always so, and brings it into the cache.
    fn have_curves(&self, streams: &[u32]) -> bool {
        self.streams_with_curves == 0
            || streams
                .iter()
                .map(|&stream| Self::index(stream) as usize)
                .fold(true, |all, id| all & (!self.nodes[id].is(Node::CURVE) | self.curves[id].is_set()))
    }

    fn queue(&mut self, id: u32, size: u32, at_ns: u64) -> Drop {
        let node = &mut self.nodes[id as usize];
        if node.count >= node.packets_max {
            self.colds[id as usize].counted.dropped_queue_packets += 1;
            return Drop::QueuePackets;
        }
        if node.is(Node::BYTES_MAX) {
            let cold = &mut self.colds[id as usize];
            if size > cold.queue_bytes_max().saturating_sub(node.bytes) {
                cold.counted.dropped_queue_bytes += 1;
                return Drop::QueueBytes;
            }
        }
        let packet = Packet { enqueued_ns: at_ns, size };
        node.bytes += size;
        node.count += 1;
        self.queued_bytes += u64::from(size);
        if node.count == 1 {
            node.first = packet;
            self.enter(id, at_ns);
        } else {
            let slot = self.packets.add(packet);
            if node.count == 2 {
                node.head = slot;
            } else {
                self.packets.chain(node.tail, slot);
            }
            node.tail = slot;
        }
        if let Some(memory_bytes) = self.options.memory_bytes {
            self.weigh_queue(id);
            while self.queued_bytes > memory_bytes {
                let (_, fattest) = self.fattest.first().expect("something is queued");
                self.colds[fattest as usize].counted.dropped_memory += 1;
                self.drop_first(fattest, at_ns);
            }
        }
        if !self.has_something_open() {
            self.settle(at_ns);
        }
        Drop::Accepted
    }

    /// Drops the first packet of a stream, at `at_ns`.
    pub(super) fn drop_first(&mut self, stream: u32, at_ns: u64) {
        let Packet { enqueued_ns, size } = self.take_first(stream);
        if self.nodes[stream as usize].is(Node::CURVE) {
            let curve = &mut self.curves[stream as usize];
            let due = curve.due(size + self.options.overhead_bytes, enqueued_ns);
            curve.pass_dropped(due, at_ns);
        }
        if self.nodes[stream as usize].count == 0 {
            self.leave(stream);
        } else {
            self.place_again(stream, at_ns);
        }
    }

    /// Keeps the fattest queue findable, which only limited memory needs.
    pub(super) fn weigh_queue(&mut self, stream: u32) {
        let key = u64::MAX - u64::from(self.nodes[stream as usize].bytes);
        if key == u64::MAX {
            self.fattest.remove(&mut self.fattest_places, stream);
        } else if self.fattest.holds(&self.fattest_places, stream) {
            self.fattest.change(&mut self.fattest_places, stream, key);
        } else {
            self.fattest.push(&mut self.fattest_places, stream, key);
        }
    }
}
