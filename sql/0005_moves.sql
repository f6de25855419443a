-- SPDX-License-Identifier: MIT
-- Books that move in from the embedded engine, and out to it. Ids keep their meaning: a thing's
-- number is made from its id as ever, and what the embedded engine had counted elsewhere (its
-- wallets, holds, withdrawals) says in `opened` which record made it.
-- serves: 4
ALTER TABLE books ADD COLUMN IF NOT EXISTS moved_from text;
ALTER TABLE books ADD COLUMN IF NOT EXISTS moved_last bigint NOT NULL DEFAULT 0;
ALTER TABLE books ADD COLUMN IF NOT EXISTS number_slack bigint NOT NULL DEFAULT 16777216
    CHECK (number_slack >= 16777216);
ALTER TABLE books ADD COLUMN IF NOT EXISTS filling text;
ALTER TABLE books ADD COLUMN IF NOT EXISTS moved_to text;
COMMENT ON COLUMN books.moved_from IS
    'Which books these continue: their engine, id and the end of their chain, which is first_chain.';
COMMENT ON COLUMN books.moved_last IS
    'The last record that moved in; up to it numbers have gaps. 0: these books were born here.';
COMMENT ON COLUMN books.number_slack IS
    'By how much a number may be beyond the milliseconds of its time.';
COMMENT ON COLUMN books.filling IS
    'Books that move in and have not been checked yet: nobody serves them. NULL: they are whole.';
COMMENT ON COLUMN books.moved_to IS
    'Where these books have moved: nobody serves them here any more. NULL: they are here.';

ALTER TABLE holds ADD COLUMN IF NOT EXISTS opened bigint NOT NULL DEFAULT 0;
ALTER TABLE withdrawals ADD COLUMN IF NOT EXISTS opened bigint NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN IF NOT EXISTS opened bigint NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN IF NOT EXISTS last_used_ms bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN holds.opened IS 'The record that opened it; 0: the one with its number.';
COMMENT ON COLUMN withdrawals.opened IS 'The record that opened it; 0: the one with its number.';
COMMENT ON COLUMN approvals.opened IS 'The record that opened it; 0: the one with its number.';
COMMENT ON COLUMN keys.last_used_ms IS 'When it was last used, as far as nodes have told.';

-- Empty books get the partitions that moved records need: by months, the last up to where new ones
-- begin. Nothing is written into them again, so keys that were used anew after their time may
-- stand twice in one of them. Only the owner may, in the transaction that fills the books.
CREATE OR REPLACE FUNCTION move_partitions(first_ms bigint, until_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp AS $$
DECLARE
    gone record;
    ends timestamp := to_timestamp(first_ms / 1000.0) AT TIME ZONE 'UTC';
    suffix text;
BEGIN
    TRUNCATE currencies, wallets, holds, withdrawals, refunds, keys, bank_ids, approvals, cursors,
             records, postings, rounds, idempotency, kept_records;
    FOR gone IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent IN ('records'::regclass, 'postings'::regclass,
                                      'rounds'::regclass, 'idempotency'::regclass) LOOP
        EXECUTE format('DROP TABLE %I', gone.relname);
    END LOOP;
    UPDATE extent SET end_record = 0;
    LOOP
        ends := date_trunc('month', ends) + interval '1 month';
        suffix := partition_add(least(until_ms,
            (extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint));
        EXECUTE format('DROP INDEX %I', 'idempotency_' || suffix || '_once');
        EXECUTE format('CREATE INDEX %I ON %I (key)', 'idempotency_' || suffix || '_key',
                       'idempotency_' || suffix);
        EXIT WHEN (extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint >= until_ms;
    END LOOP;
END $$;
COMMENT ON FUNCTION move_partitions IS 'Empties the books and makes the partitions of what moves in.';
REVOKE ALL ON FUNCTION move_partitions FROM PUBLIC;

CREATE OR REPLACE FUNCTION balance_of(wallet text) RETURNS SETOF balances
LANGUAGE sql STABLE STRICT AS $$
    SELECT * FROM florin.balances b WHERE b.slot = florin.id_slot(florin.id_bytes($1))
    AND b.number >= florin.id_number(florin.id_bytes($1))
    AND b.number < florin.id_number(florin.id_bytes($1)) +
        (SELECT number_slack FROM florin.books) AND b.wallet = $1
$$;
INSERT INTO privileges VALUES
    ('verifying', 'SELECT (moved_from, moved_last, number_slack)', 'books');
