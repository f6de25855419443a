-- SPDX-License-Identifier: MIT
-- Books that lie on several servers. Each of them, a shard, has the whole schema; every slot is
-- owned by one shard, and its row there is the truth about that. Books on one server own all
-- slots and never look. Who knows the schema up to 18 must not serve a shard: it would take every
-- slot for its own.
ALTER TABLE books ADD COLUMN IF NOT EXISTS shard text
    CHECK (shard ~ '^[a-z0-9][a-z0-9_-]{0,31}$');
ALTER TABLE books ADD COLUMN IF NOT EXISTS shard_number smallint NOT NULL DEFAULT 0
    CHECK (shard_number BETWEEN 0 AND 15);
ALTER TABLE books ADD COLUMN IF NOT EXISTS slots_version bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN books.shard IS
    'What this shard is called in the configuration; NULL: the books lie on this server alone.';
COMMENT ON COLUMN books.shard_number IS
    'Numbers of records that are made in the same millisecond on two shards differ by it.';
COMMENT ON COLUMN books.slots_version IS
    'Grows whenever a slot comes or goes; batches look at the slots again then.';

ALTER TABLE slots ADD COLUMN IF NOT EXISTS state smallint NOT NULL DEFAULT 0
    CHECK (state IN (0, 1));
ALTER TABLE slots ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT 1 CHECK (epoch >= 1);
ALTER TABLE slots ADD COLUMN IF NOT EXISTS shard text;
COMMENT ON TABLE slots IS
    'The head of each slot''s chain of records, the round that moved it last, and who owns it.';
COMMENT ON COLUMN slots.state IS '0: this shard owns it; 1: another one does.';
COMMENT ON COLUMN slots.epoch IS 'Grows when the slot changes hands.';
COMMENT ON COLUMN slots.shard IS 'Of a slot that went from here: to which shard.';

-- Keys and rules are made where slot 0 is, and every other shard has copies; the record that made
-- a key comes along.
DELETE FROM privileges WHERE on_what = 'kept_records' AND privilege = 'INSERT';
INSERT INTO privileges VALUES ('serving', 'INSERT', 'kept_records');
