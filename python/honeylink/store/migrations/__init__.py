"""The schema's history: numbered SQL scripts, applied in order by Alembic."""
