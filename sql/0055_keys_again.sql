-- SPDX-License-Identifier: MIT
-- An idempotency key that is used anew when its time is over stands twice in the partition of its
-- month. A unique index refused the second, and with it everybody's payments of that round, as often
-- as the client tried. That a key is used once in its time was never that index's to tell: it is
-- looked for first, SERIALIZABLE, by whoever has changed the row of books.
-- serves: 49
CREATE OR REPLACE FUNCTION partition_add(until_ms bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = florin, pg_temp AS $$
DECLARE
    low bigint;
    high CONSTANT bigint := until_ms << 17;
    begins timestamp;
    suffix text;
    parent text;
    cut text;
BEGIN
    PERFORM pg_advisory_xact_lock(7886712);
    SELECT end_record INTO STRICT low FROM extent;
    IF high <= low THEN
        RAISE EXCEPTION 'partitions are there up to %', to_timestamp((low >> 17) / 1000.0)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    begins := to_timestamp((low >> 17) / 1000.0) AT TIME ZONE 'UTC';
    suffix := CASE WHEN low = 0 THEN 'first'
        WHEN begins = date_trunc('month', begins) THEN to_char(begins, 'YYYY_MM')
        ELSE to_char(begins, 'YYYY_MM_DD_HH24MISS_MS') END;
    FOR parent, cut IN VALUES ('records', 'number'), ('postings', 'record'),
                              ('rounds', 'first_record'), ('idempotency', 'record') LOOP
        EXECUTE format('CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
            'INCLUDING STORAGE, CONSTRAINT in_time CHECK (%3$I >= %4$s AND %3$I < %5$s)) WITH '
            '(autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)',
            parent || '_' || suffix, parent, cut, low, high);
        IF parent = 'idempotency' THEN
            EXECUTE format('CREATE INDEX %I ON %I (key)', 'idempotency_' || suffix || '_key',
                'idempotency_' || suffix);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, parent || '_' || suffix, low, high);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT in_time', parent || '_' || suffix);
    END LOOP;
    UPDATE extent SET end_record = high;
    RETURN suffix;
END $$;

CREATE OR REPLACE FUNCTION move_partitions(first_ms bigint, until_ms bigint) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp AS $$
DECLARE
    gone record;
    ends timestamp := to_timestamp(first_ms / 1000.0) AT TIME ZONE 'UTC';
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
        PERFORM partition_add(least(until_ms,
            (extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint));
        EXIT WHEN (extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint >= until_ms;
    END LOOP;
END $$;

COMMENT ON TABLE idempotency IS
    'Digest of principal and idempotency key, and the record that answers it. A key is used once in '
    'its time because it is looked for first, SERIALIZABLE; behind it, it may stand here again.';

-- each
SELECT coalesce(
    -- One that broke off is of no use.
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.idempotency'::regclass AND NOT x.indisvalid
     ORDER BY c.relname LIMIT 1),
    (SELECT format('CREATE INDEX CONCURRENTLY %I ON florin.%I (key)', t.relname || '_key', t.relname)
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     WHERE i.inhparent = 'florin.idempotency'::regclass AND NOT EXISTS
         (SELECT FROM pg_index x WHERE x.indrelid = t.oid AND NOT x.indisunique)
     ORDER BY t.relname LIMIT 1),
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.idempotency'::regclass AND x.indisunique
     ORDER BY c.relname LIMIT 1))
