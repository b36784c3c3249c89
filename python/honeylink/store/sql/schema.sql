-- name: find_schema_revision^
-- The revision of the schema.
SELECT version_num FROM alembic_version;

-- name: find_oldest_code^
-- The revision of the oldest code that works with this schema.
SELECT oldest_code_revision() AS revision;
