-- SPDX-License-Identifier: MIT
-- Idempotency keys are digests: nothing is ever looked for in their order, and an index that keeps
-- them in it leads each to a page of its own, over two more on the way. In one by their hash each is
-- found by one or two pages, which halves what looking for a key and adding it take.
-- serves: 104
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
            EXECUTE format('CREATE INDEX %I ON %I USING hash (key)', 'idempotency_' || suffix || '_key',
                'idempotency_' || suffix);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, parent || '_' || suffix, low, high);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT in_time', parent || '_' || suffix);
    END LOOP;
    UPDATE extent SET end_record = high;
    RETURN suffix;
END $$;

-- each
SELECT coalesce(
    -- One that broke off is of no use.
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.idempotency'::regclass AND NOT x.indisvalid
     ORDER BY c.relname LIMIT 1),
    (SELECT format('CREATE INDEX CONCURRENTLY %I ON florin.%I USING hash (key)',
                   t.relname || '_hash', t.relname)
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     WHERE i.inhparent = 'florin.idempotency'::regclass AND NOT EXISTS
         (SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
          JOIN pg_am a ON a.oid = c.relam WHERE x.indrelid = t.oid AND a.amname = 'hash')
     ORDER BY t.relname LIMIT 1),
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am a ON a.oid = c.relam
     WHERE i.inhparent = 'florin.idempotency'::regclass AND a.amname = 'btree'
     ORDER BY c.relname LIMIT 1))
