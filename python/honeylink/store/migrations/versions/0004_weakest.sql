-- Who may have to give way, of a tenant's live sessions, weakest first. Without it that would be to read all of them.

-- New sessions wait while it is built, about a second for a million that are stored; reading goes on. Behind a long
-- transaction it would wait, and every request behind it; so it gives up.
SET LOCAL lock_timeout = '1s';

CREATE INDEX sessions_weakest ON sessions (tenant_id, hold_priority, session_id DESC) WHERE status = 'active';
