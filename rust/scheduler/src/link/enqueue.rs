//! What is queued, and the limits on it.

use super::{Drop, LinkError, LinkScheduler, ids::index, queues::Packet, tree::Node};

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
        self.clock.check(now_ns)?;
        self.queues.reserve(streams.len())?;
        let at_ns = self.catch_up(now_ns);
        let mut accepted = 0;
        for ((&stream, &size), drop) in streams.iter().zip(sizes).zip(drops) {
            let verdict = self.queue(index(stream), size, at_ns);
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
        let is_stream = |&handle: &u32| self.tree.is_stream(handle);
        // All are looked at, without a branch between two of them, so that the processor waits for many at once.
        if streams.iter().fold(true, |all, handle| all & is_stream(handle)) {
            assert!(self.are_placed(streams), "each has its place in its class");
            assert!(self.have_curves(streams), "each that has a guarantee has its curve");
            return Ok(());
        }
        let index = streams.iter().position(|handle| !is_stream(handle)).expect("one is none");
        self.tree.find_stream("streams", Some(index), streams[index]).map(|_| ())
    }

    /// Whether each has the place in its class that it says. It always has; but looking brings the classes into the cache
    /// as well.
    fn are_placed(&self, streams: &[u32]) -> bool {
        streams.iter().map(|&stream| index(stream)).fold(true, |all, id| {
            let node = self.tree.node(id);
            all & self.sharing.has(node.parent, node.place, id)
        })
    }

    /// Whether each that is guaranteed a rate has one, which again is always so, and brings it into the cache.
    fn have_curves(&self, streams: &[u32]) -> bool {
        !self.guarantees.exist()
            || streams
                .iter()
                .map(|&stream| index(stream))
                .fold(true, |all, id| all & self.guarantees.has_curve(id, self.tree.node(id)))
    }

    fn queue(&mut self, id: u32, size: u32, at_ns: u64) -> Drop {
        let node = self.tree.node_mut(id);
        if node.queue.is_full() {
            self.tree.record_mut(id).counted.dropped_queue_packets += 1;
            return Drop::QueuePackets;
        }
        if node.is(Node::BYTES_MAX) {
            let queued_bytes = node.queue.bytes();
            let record = self.tree.record_mut(id);
            if size > record.queue_bytes_max().saturating_sub(queued_bytes) {
                record.counted.dropped_queue_bytes += 1;
                return Drop::QueueBytes;
            }
        }
        let queue = &mut self.tree.node_mut(id).queue;
        let packet = Packet { enqueued_ns: at_ns, size };
        if queue.is_empty() {
            self.queues.push_first(id, queue, packet);
            self.enter(id, at_ns);
        } else {
            self.queues.push_behind(id, queue, packet);
        }
        while let Some(fattest) = self.queues.over_memory() {
            self.tree.record_mut(fattest).counted.dropped_memory += 1;
            self.drop_first(fattest, at_ns);
        }
        if !self.sharing.is_open() {
            self.settle(at_ns);
        }
        Drop::Accepted
    }
}
