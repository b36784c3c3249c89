"""Keys: how they are derived, wrapped and kept.

::

    key provider (KEK) ──wraps──> device master key (DMK)     ──HKDF──> session key ──HKDF──> stream keys
                       └─wraps──> tenant data key (DEK)       ──HKDF──> subkey that seals one session key at rest

Only wrapped keys and sealed session keys are stored. Stream keys are derived when they are needed.
"""
