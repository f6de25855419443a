-- SPDX-License-Identifier: MIT
-- Where nodes of before 0171 may serve, rows of slots are written all or none. Who wrote them with
-- the row of books in hand, to archive history or before a slot moves, waited for one that somebody
-- had locked, and nobody was paid as long. Now none is written then, as rounds do it.
-- serves: 104
CREATE OR REPLACE FUNCTION heads_write_free(wanted integer) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
BEGIN
    IF wanted IS NOT NULL AND NOT (SELECT heads_apart FROM books) THEN
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
        FROM books b, free f JOIN n ON n.slot = f.slot WHERE s.slot = f.slot AND
            (b.heads_apart OR (SELECT count(*) FROM free) = (SELECT count(*) FROM n)) RETURNING 1)
    UPDATE books SET heads_record = last_record
    WHERE (SELECT count(*) FROM written) = (SELECT count(*) FROM n);
END $$;
COMMENT ON FUNCTION heads_write_free IS
    'As heads_write, but waits for the row of that slot alone: others that are locked are passed '
    'by, or, where books.heads_apart is false, all are, unless one is wanted. Whoever calls it has '
    'locked the row of books.';
