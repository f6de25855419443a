-- SPDX-License-Identifier: MIT
-- What is done on several shards at once. The shard that decides commits its own part together with
-- a row of `decisions` in one transaction, and that commit is the decision; the parts of all others,
-- their legs, are prepared before and finished behind it. Who finds an old leg inserts an abort
-- for its gid where it is decided, and carries out the row that stands then.
CREATE TABLE IF NOT EXISTS decisions (
    gid text PRIMARY KEY,
    is_commit boolean NOT NULL,
    legs text NOT NULL,
    made_ms bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE decisions IS
    'What was decided about work on several shards, here. A commit goes when all its legs are '
    'finished, an abort a day later.';
COMMENT ON COLUMN decisions.gid IS 'Names the work, as its prepared transactions are named.';
COMMENT ON COLUMN decisions.is_commit IS 'Whether the legs are committed; else they are rolled back.';
COMMENT ON COLUMN decisions.made_ms IS 'When it was decided, in milliseconds since 1970 UTC.';
COMMENT ON COLUMN decisions.legs IS 'The shards that have legs of it, with a comma between two.';

CREATE TABLE IF NOT EXISTS legs (
    gid text PRIMARY KEY,
    made_ms bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE legs IS
    'Each leg writes one row, so that one which is neither prepared nor here is missed.';

COMMENT ON COLUMN legs.gid IS 'Of the work that it is a leg of: as in decisions, where that is decided.';
COMMENT ON COLUMN legs.made_ms IS 'When it was written, in milliseconds since 1970 UTC.';

COMMENT ON COLUMN bank_ids.record IS
    'The record of the transaction; 0: it is on the shard of the transaction''s slot.';

DELETE FROM privileges WHERE on_what = 'decisions, legs';
INSERT INTO privileges VALUES ('serving', 'SELECT, INSERT, DELETE', 'decisions, legs'),
    ('verifying', 'SELECT', 'decisions, legs');
