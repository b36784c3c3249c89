"""The kinds of key provider that there are, and which of them the settings open.

The current provider is the one that `HONEYLINK_KEY_PROVIDER` names. Another kind is open beside it if any of its own
settings is given, so that keys which it has wrapped can still be unwrapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from honeylink.keys.providers import KeyProvider
    from honeylink.settings import Settings


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of key provider: how it is opened, and the names of its own settings."""

    open: Callable[[Settings], KeyProvider]
    settings: frozenset[str]


KINDS: Mapping[str, Kind] = {
    "local": Kind(lambda settings: LocalKeyProvider.open(settings.kek_file), frozenset({"key_file"})),
}
"""By the name that settings and wrapped keys know it by."""


def open_keyring(settings: Settings) -> Keyring:
    """A keyring over all providers that the settings describe."""
    given = settings.model_fields_set
    others = [kind for name, kind in KINDS.items() if name != settings.key_provider and kind.settings & given]
    return Keyring(KINDS[settings.key_provider].open(settings), *(kind.open(settings) for kind in others))
