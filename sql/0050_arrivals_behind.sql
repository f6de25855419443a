-- SPDX-License-Identifier: MIT
-- What arrives from other shards is looked for by the transactions that brought it. As long as
-- somebody's transaction is open, a leg in doubt for instance, no index forgets what has been taken
-- up, and each batch would walk over all of it.
ALTER TABLE legs ADD COLUMN IF NOT EXISTS brought_by bigint NOT NULL DEFAULT 0;
ALTER TABLE legs ALTER COLUMN brought_by SET DEFAULT pg_current_xact_id()::text::bigint;
COMMENT ON COLUMN legs.brought_by IS
    'The transaction that wrote the row first. What one snapshot has seen is taken up, and the next '
    'has only those to look at that had not begun then, or not ended.';
CREATE INDEX IF NOT EXISTS legs_behind ON legs (brought_by) WHERE NOT is_taken;
COMMENT ON INDEX legs_behind IS 'What is still to become a record, by who brought it.';
DROP INDEX IF EXISTS legs_arrived;

-- What was taken up goes after some days; who looks for it each second looks at no more than that.
CREATE INDEX IF NOT EXISTS legs_old ON legs USING brin (made_ms)
    WITH (pages_per_range = 16, autosummarize = on);
COMMENT ON INDEX legs_old IS 'What has been taken up long ago.';
