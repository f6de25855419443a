-- SPDX-License-Identifier: MIT
-- Which records of the deciding shard a decision is about: of a leg that is prepared nobody can see
-- what it is worth.
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS first_record bigint NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN IF NOT EXISTS last_record bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN decisions.first_record IS 'Of its round, which stands between these two.';
COMMENT ON COLUMN decisions.last_record IS 'See first_record.';
