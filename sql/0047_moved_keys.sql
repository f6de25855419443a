-- SPDX-License-Identifier: MIT
-- Idempotency keys of books that moved in are found by an index again: without one each key was
-- looked for in all that moved, as long as keys are remembered. It is not unique, since keys that
-- were used anew after their time stand there twice.
-- serves: 44
CREATE OR REPLACE FUNCTION move_partitions(first_ms bigint, until_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp AS $$
DECLARE
    gone record;
    ends timestamp := to_timestamp(first_ms / 1000.0) AT TIME ZONE 'UTC';
    suffix text;
BEGIN
    TRUNCATE currencies, wallets, holds, withdrawals, refunds, keys, bank_ids, approvals, cursors,
             records, postings, rounds, idempotency, kept_records, rule_sets, data_keys, encryption;
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
-- Nobody writes into partitions that moved in, so this keeps nobody waiting.
DO $$ DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT i.inhrelid::regclass FROM pg_inherits i WHERE i.inhparent =
                'idempotency'::regclass AND NOT EXISTS (SELECT FROM pg_index x
                WHERE x.indrelid = i.inhrelid) LOOP
        EXECUTE format('CREATE INDEX ON %s (key)', part);
    END LOOP;
END $$;
