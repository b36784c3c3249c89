-- name: limit_transaction
-- Give the rest of a transaction up, and its locks, should its owner fall silent in the middle of it, or somebody else hold a row that it needs.
SELECT set_config('idle_in_transaction_session_timeout', :idle::text, true), set_config('lock_timeout', :lock_wait::text, true);
