"""Bearer tokens: what they look like, what is stored of them, and that no other text passes for one."""

from __future__ import annotations

import hashlib
import string
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from honeylink.domain.tokens import SECRET_BYTES, BearerToken

if TYPE_CHECKING:
    from collections.abc import Callable

TOKENS = st.builds(BearerToken, st.uuids(), st.uuids(), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
LETTERS = string.ascii_letters + string.digits + "-_"


@given(TOKENS)
def test_a_token_comes_back_as_it_was(token: BearerToken) -> None:
    text = token.encode()
    assert text.startswith("hl1_")
    assert len(text) == 90
    assert set(text) <= set(LETTERS)
    assert BearerToken.decode(text) == token


@given(st.text(LETTERS + "+/=", min_size=86, max_size=86))
@example("A" * 84 + "==")
@example("A" * 85 + "=")
@example("ä" * 86)
@example("A" * 85 + "B")  # with bits that no byte holds
@example("+" * 86)
def test_a_token_has_one_text(letters: str) -> None:
    token = BearerToken.decode("hl1_" + letters)
    assert token is None or (len(token.secret) == SECRET_BYTES and token.encode() == "hl1_" + letters)


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text + "A", lambda text: "hl2_" + text[4:]])
def test_text_of_another_shape_is_none(change: Callable[[str], str]) -> None:
    text = BearerToken(UUID(int=1), UUID(int=2), bytes(32)).encode()
    assert BearerToken.decode(change(text)) is None


@given(TOKENS, TOKENS)
def test_a_token_matches_its_own_hash_alone(token: BearerToken, other: BearerToken) -> None:
    assert token.sha256() == hashlib.sha256(token.secret).digest()
    assert token.matches(token.sha256())
    assert token.matches(other.sha256()) == (token.secret == other.secret)


def test_the_repr_keeps_the_secret() -> None:
    token = BearerToken(UUID(int=1), UUID(int=2), b"s" * 32)
    assert repr(token) == f"BearerToken(tenant_id={UUID(int=1)!r}, token_id={UUID(int=2)!r})"
