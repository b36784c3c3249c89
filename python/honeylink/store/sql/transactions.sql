-- name: limit_idle_time
-- Give the rest of a transaction up, and its locks, should its owner fall silent in the middle of it.
SELECT set_config('idle_in_transaction_session_timeout', :milliseconds::text, true);
