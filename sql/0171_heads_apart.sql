-- SPDX-License-Identifier: MIT
-- Who had locked the row of one slot, perhaps in a forgotten psql, held up all that was written as
-- soon as heads of slots were to be written. Now that row is passed by and the others are written,
-- so each row says by its own last record how far it has come, and `books.heads_record` only how
-- far all have at least. A node of the version before takes them to have come equally far, and
-- would count records twice; so in books that it may be serving now all rows are passed by when one
-- is locked, and what lags behind grows until it is free: `UPDATE florin.books SET heads_apart =
-- true` when no such node is left. Books that are born now never had one.
-- serves: 104
ALTER TABLE books ADD COLUMN IF NOT EXISTS heads_apart boolean NOT NULL DEFAULT false;
ALTER TABLE books ALTER COLUMN heads_apart SET DEFAULT true;
UPDATE books SET heads_apart = true WHERE record_count = 0;
COMMENT ON COLUMN books.heads_apart IS
    'Whether rows of `slots` are written without those that somebody has locked; false: all or none, '
    'as nodes of earlier versions read them.';
COMMENT ON COLUMN books.heads_record IS
    'Up to this record all rows of `slots` are written at least; of what came later than a row''s '
    'own last record `records` has the chains.';
COMMENT ON TABLE slots IS
    'The head of each slot''s chain of records, up to its last one that is counted here, and who '
    'owns it.';

-- What each row lacks, found by the slot: of one that was locked for long there may be very many.
CREATE OR REPLACE FUNCTION heads_behind()
RETURNS TABLE (slot smallint, added bigint, last_record bigint, chain bytea)
LANGUAGE sql STABLE SET search_path = florin, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
    SELECT s.slot, n.added, n.last_record, n.chain FROM slots s CROSS JOIN LATERAL (
        SELECT count(*) AS added, max(r.number) AS last_record,
               (array_agg(r.chain ORDER BY r.number DESC))[1] AS chain
        FROM records r WHERE r.slot = s.slot AND r.number > s.last_record AND
            r.number > (SELECT b.heads_record FROM books b) AND
            r.number <= (SELECT b.last_record FROM books b) AND r.came IS NULL OFFSET 0) n
    WHERE n.added > 0
$$;
COMMENT ON FUNCTION heads_behind IS
    'Of slots whose rows lag behind: how many records, the last of them, and what it makes of the '
    'chain.';

CREATE OR REPLACE FUNCTION heads_write() RETURNS void
LANGUAGE sql SET search_path = florin, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
    UPDATE slots s SET chain = n.chain, last_record = n.last_record,
        record_count = s.record_count + n.added, round = b.round_count
    FROM books b, heads_behind() n WHERE s.slot = n.slot;
    UPDATE books SET heads_record = last_record
$$;
COMMENT ON FUNCTION heads_write IS
    'Brings the rows of slots up to the last record, and waits for those that somebody has locked. '
    'Whoever calls it has locked the row of books.';

-- `wanted`: it must be written, and stays locked; others are passed by when they are locked. NULL:
-- any may be.
CREATE OR REPLACE FUNCTION heads_write_free(wanted integer) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
BEGIN
    IF NOT (SELECT heads_apart FROM books) THEN
        PERFORM heads_write();
        RETURN;
    END IF;
    PERFORM FROM slots WHERE slot = wanted FOR NO KEY UPDATE;
    WITH n AS MATERIALIZED (SELECT * FROM heads_behind()), free AS MATERIALIZED (
        SELECT slot FROM slots WHERE slot = ANY (ARRAY(SELECT slot FROM n))
        FOR NO KEY UPDATE SKIP LOCKED),
    written AS (
        UPDATE slots s SET chain = n.chain, last_record = n.last_record,
            record_count = s.record_count + n.added, round = b.round_count
        FROM books b, free f JOIN n ON n.slot = f.slot WHERE s.slot = f.slot RETURNING 1)
    UPDATE books SET heads_record = last_record
    WHERE (SELECT count(*) FROM written) = (SELECT count(*) FROM n);
END $$;
COMMENT ON FUNCTION heads_write_free IS
    'As heads_write, but waits for the row of that slot alone. Whoever calls it has locked the row '
    'of books.';
REVOKE ALL ON FUNCTION heads_write_free, heads_behind FROM PUBLIC;
DELETE FROM privileges WHERE on_what = 'FUNCTION heads_write_free, heads_behind';
INSERT INTO privileges VALUES ('serving', 'EXECUTE', 'FUNCTION heads_write_free, heads_behind');
