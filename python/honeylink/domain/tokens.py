"""Bearer tokens: what one looks like, and what of it is stored.

A token is `hl1_` and the base64url of tenant id, token id and a 256-bit secret. The ids are no secret: they let every
look-up name its tenant and find one row by its key, so that the secret itself is only ever compared, in constant time,
as a SHA-256. A 256-bit random secret needs no slow password hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID

SECRET_BYTES = 32
_PREFIX = "hl1_"
_ID_BYTES = 16
_TEXT_LENGTH = len(_PREFIX) + -(-(2 * _ID_BYTES + SECRET_BYTES) * 4 // 3)


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token in the clear; its repr shows the ids only."""

    tenant_id: UUID
    token_id: UUID
    secret: bytes = field(repr=False)

    def encode(self) -> str:
        """The text that a client sends."""
        raw = self.tenant_id.bytes + self.token_id.bytes + self.secret
        return _PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

    def sha256(self) -> bytes:
        """What is stored."""
        return hashlib.sha256(self.secret).digest()

    def matches(self, stored_sha256: bytes) -> bool:
        """Whether this is the token behind `stored_sha256`; takes the same time for each answer."""
        return hmac.compare_digest(self.sha256(), stored_sha256)

    @classmethod
    def decode(cls, text: str) -> BearerToken | None:
        """The token that `text` encodes, or None if it encodes none.

        Example:
            >>> token = BearerToken(UUID(int=1), UUID(int=2), bytes(32))
            >>> BearerToken.decode(token.encode()) == token
            True
            >>> BearerToken.decode("hl1_nonsense") is None
            True
        """
        if len(text) != _TEXT_LENGTH or not text.startswith(_PREFIX):
            return None
        try:
            raw = base64.b64decode(text[len(_PREFIX) :] + "==", altchars=b"-_", validate=True)
            ids, secret = raw[: 2 * _ID_BYTES], raw[2 * _ID_BYTES :]
            token = cls(UUID(bytes=ids[:_ID_BYTES]), UUID(bytes=ids[_ID_BYTES:]), secret)
        except ValueError:
            return None
        # Base64 as Python reads it has several texts for the same bytes, and for fewer of them; a token has one.
        return token if token.encode() == text else None
