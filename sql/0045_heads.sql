-- SPDX-License-Identifier: MIT
-- Rows of slots are no longer written by every batch, which was a row more for nearly each payment:
-- they lag behind by some thousand records, whose own chains say the rest. A node of the version
-- before takes a row of slots for the truth, so in books that it may be serving now nothing lags;
-- a later version switches it on there, or `UPDATE florin.books SET heads_lag = 8192` when no such
-- node is left. Books that are born now never had one.
ALTER TABLE books ADD COLUMN IF NOT EXISTS heads_record bigint;
ALTER TABLE books ADD COLUMN IF NOT EXISTS heads_lag integer;
UPDATE books SET heads_record = last_record, heads_lag = 0 WHERE heads_record IS NULL;
ALTER TABLE books ALTER COLUMN heads_record SET DEFAULT 0, ALTER COLUMN heads_record SET NOT NULL,
    ALTER COLUMN heads_lag SET DEFAULT 8192, ALTER COLUMN heads_lag SET NOT NULL;
ALTER TABLE books DROP CONSTRAINT IF EXISTS heads_lag_is_bounded,
    ADD CONSTRAINT heads_lag_is_bounded CHECK (heads_lag BETWEEN 0 AND 1000000);
COMMENT ON COLUMN books.heads_record IS
    'Up to this record rows of `slots` are written; of what came later `records` has the chains.';
COMMENT ON COLUMN books.heads_lag IS
    'By how many records rows of slots may lag behind; 0: each round writes them, as on shards.';
COMMENT ON TABLE slots IS
    'The head of each slot''s chain of records up to books.heads_record, and who owns it.';

-- Writes them now: before history is archived, and before the books become a shard.
CREATE OR REPLACE FUNCTION heads_write() RETURNS void
LANGUAGE sql SET search_path = florin, pg_temp AS $$
    UPDATE slots s SET chain = n.chain, last_record = n.last_record,
        record_count = s.record_count + n.added, round = b.round_count
    FROM books b, (SELECT slot, count(*) AS added, max(number) AS last_record,
                          (array_agg(chain ORDER BY number DESC))[1] AS chain
                   FROM records WHERE number > (SELECT heads_record FROM books) AND came IS NULL
                   GROUP BY slot) n
    WHERE s.slot = n.slot;
    UPDATE books SET heads_record = last_record
$$;
COMMENT ON FUNCTION heads_write IS
    'Brings the rows of slots up to the last record. Whoever calls it has locked the row of books.';
REVOKE ALL ON FUNCTION heads_write FROM PUBLIC;
DELETE FROM privileges WHERE on_what = 'FUNCTION heads_write' OR privilege = 'SELECT (heads_record)';
INSERT INTO privileges VALUES ('serving', 'EXECUTE', 'FUNCTION heads_write'),
    ('verifying', 'SELECT (heads_record)', 'books');
