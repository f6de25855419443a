-- SPDX-License-Identifier: MIT
-- Slots that move from one shard to another with all that lies in them. History is copied and stays
-- behind as well, since a shard's own rounds are chained over it; what stands now goes.
ALTER TABLE records ADD COLUMN IF NOT EXISTS came smallint;
COMMENT ON COLUMN records.came IS
    'Of a record that another shard made: the slot that it came along with. NULL: it was made here.';

ALTER TABLE slots ADD COLUMN IF NOT EXISTS came_before bigint NOT NULL DEFAULT 0
    CHECK (came_before >= 0);
ALTER TABLE slots ADD COLUMN IF NOT EXISTS copied bigint NOT NULL DEFAULT 0 CHECK (copied >= 0);
COMMENT ON COLUMN slots.came_before IS
    'What came along with the slot is whole before this record number; 0: it never came here.';
COMMENT ON COLUMN slots.copied IS
    'Of a slot that is being copied here: all records up to there have come. 0: it is not.';

CREATE TABLE IF NOT EXISTS gate (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one)
);
COMMENT ON TABLE gate IS
    'Empty. Work that reaches over shards locks it, and so does who moves a slot, for a moment.';
COMMENT ON COLUMN gate.is_the_one IS 'There is no row.';
DELETE FROM privileges WHERE on_what = 'gate';
INSERT INTO privileges VALUES ('serving', 'INSERT', 'gate');
