"""What Python sees of sharing and pre-emption; the laws of both are held by the crate's own tests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from honeylink.scheduler import ActiveSession, Admitted, Pool, Rejected, Request, StreamAsk, plan


def session(name: str, kbps: int, least: int | None = None, hold: int = 0, opened_ms: int = 0) -> ActiveSession:
    return ActiveSession(name, ["node"], [StreamAsk("s", "burst", kbps, least)], hold, opened_ms, opened_ms + 1000)


def node(capacity_kbps: int, sessions: list[ActiveSession], min_hold_ms: int = 0) -> Pool:
    reserved = sum(stream.bandwidth_kbps for session in sessions for stream in session.streams)
    return Pool("node", "node", capacity_kbps, reserved, preemption=True, min_hold_ms=min_hold_ms)


def test_victims_are_named_by_their_ids_weakest_first() -> None:
    sessions = [session("strong", 40, 10, hold=1), session("weak", 30, hold=-1), session("young", 40, 20, opened_ms=5)]
    request = [StreamAsk("control", "latency", 40)]
    # 50 kbps can be had by shrinking, from the young session first; only then is one evicted, and gives to the others.
    assert plan([node(110, sessions)], Request(request, 2), sessions, 10) == Admitted(
        [40], [0], shrunk=[("young", [20]), ("strong", [20])]
    )
    more = Request([StreamAsk("control", "latency", 60)], 2)
    assert plan([node(110, sessions)], more, sessions, 10) == Admitted(
        [60], [0], shrunk=[("young", [20]), ("strong", [30])], evicted=["weak"]
    )


def test_a_session_that_is_strong_or_young_keeps_what_it_has() -> None:
    sessions = [session("a", 100, 1, hold=3, opened_ms=50)]
    path = [node(100, sessions, min_hold_ms=100)]
    request = Request([StreamAsk("control", "latency", 10)], setup_priority=4)
    assert isinstance(plan(path, request, sessions, 149), Rejected)
    assert plan(path, request, sessions, 150) == Admitted([10], [0], shrunk=[("a", [90])])
    assert plan(path, Request(request.streams, 3), sessions, 150) == Rejected(path[0], 10, 0, None, 1050)


def test_what_another_pool_is_guaranteed_is_not_taken() -> None:
    video = StreamAsk("video", "burst", 100, 10)
    borrower = ActiveSession("b", ["other", "node"], [video], 0, 0, 1000)
    other = Pool("other", "tenant", 100, 100, guaranteed_kbps=60)
    path = [Pool("mine", "tenant", 100, 0, guaranteed_kbps=40), node(100, [borrower])]

    def ask(kbps: int) -> Admitted | Rejected:
        return plan(path, Request([StreamAsk("a", "burst", kbps)], 1), [borrower], others=[other])

    assert ask(40) == Admitted([40], [60, 0], shrunk=[("b", (60,))])
    assert isinstance(ask(41), Rejected)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(-1, 1)), max_size=5),
    st.integers(0, 3),
    st.integers(1, 30),
)
def test_no_pool_is_over_committed_and_only_the_weak_lose(
    held: list[tuple[int, int, int]], free_kbps: int, wanted_kbps: int
) -> None:
    sessions = [session(f"s{index}", max(kbps, least), least, hold) for index, (kbps, least, hold) in enumerate(held)]
    pool = node(sum(s.streams[0].bandwidth_kbps for s in sessions) + free_kbps, sessions)
    answer = plan([pool], Request([StreamAsk("a", "normal", wanted_kbps)], 1), sessions)
    by_id = {each.id: each for each in sessions}
    weak = [each for each in sessions if each.hold_priority < 1]
    most = free_kbps + sum(each.streams[0].bandwidth_kbps for each in weak)
    match answer:
        case Rejected(free_at_ms=free_at):
            assert wanted_kbps > most
            assert (free_at is None) == (wanted_kbps > pool.capacity_kbps)
        case Admitted(shrunk=shrunk, evicted=evicted, headroom_kbps=[headroom]):
            lost = sum(by_id[name].streams[0].bandwidth_kbps for name in evicted)
            lost += sum(by_id[name].streams[0].bandwidth_kbps - kbps for name, (kbps,) in shrunk)
            assert pool.reserved_kbps - lost + wanted_kbps + headroom == pool.capacity_kbps
            assert {*evicted, *dict(shrunk)} <= {each.id for each in weak}
            assert all(kbps >= (by_id[name].streams[0].min_bandwidth_kbps or 0) for name, (kbps,) in shrunk)
