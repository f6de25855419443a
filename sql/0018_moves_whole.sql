-- SPDX-License-Identifier: MIT
-- Books that move in bring their sets of rules and their wrapped data keys along, so what an empty
-- database had of those goes too.
-- serves: 13
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
        EXIT WHEN (extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint >= until_ms;
    END LOOP;
END $$;
