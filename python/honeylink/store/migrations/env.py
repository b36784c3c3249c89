"""What Alembic runs: applies the scripts over the connection that `honeylink.store.migrate` has put into its config."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
context.configure(connection=connection)
with context.begin_transaction():
    # Of several processes that start at once, one migrates and the others find the work done.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('honeylink.migrate'))"))
    context.run_migrations()
