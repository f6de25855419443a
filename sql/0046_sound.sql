-- SPDX-License-Identifier: MIT
-- What the row of books and each row of rounds must be like, said by one function each, as of
-- wallets: PostgreSQL reads the constraints of a table anew for each statement, and those of books
-- were eleven for the one row that every round changes. And partitions by time keep no second copy
-- of their bounds: it is there only while they are attached, so that nothing needs to be looked at.
-- serves: 38
CREATE OR REPLACE FUNCTION books_are_sound(is_the_one boolean, id bytea, seal_key bytea,
    hold_open_count bigint, chain bytea, first_chain bytea, number_slack bigint, alarm bytea,
    shard text, shard_number smallint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN is_the_one AND length(id) = 16 AND length(seal_key) = 16 AND hold_open_count >= 0
        AND length(chain) = 32 AND length(first_chain) = 32 AND number_slack >= 16777216
        AND (alarm IS NULL OR length(alarm) = 64) AND shard_number BETWEEN 0 AND 15
        AND (shard IS NULL OR shard ~ '^[a-z0-9][a-z0-9_-]{0,31}$');
END $$;
COMMENT ON FUNCTION books_are_sound IS 'What the row of books must be like, whatever program writes it.';

CREATE OR REPLACE FUNCTION round_is_sound(number bigint, token bytea, record_count bigint,
    chain bytea) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN number >= 1 AND length(token) = 16 AND record_count >= 1 AND length(chain) = 32;
END $$;
COMMENT ON FUNCTION round_is_sound IS 'What a row of rounds must be like, whatever program writes it.';

DELETE FROM privileges WHERE on_what LIKE 'FUNCTION books_are_sound%';
INSERT INTO privileges VALUES ('serving', 'EXECUTE', 'FUNCTION books_are_sound, round_is_sound');
-- Who serves now keeps doing so before privileges are given again, which is behind all migrations.
DO $$ DECLARE
    serving name;
BEGIN
    REVOKE ALL ON FUNCTION books_are_sound, round_is_sound FROM PUBLIC;
    FOR serving IN SELECT r.role FROM roles r JOIN pg_roles p ON p.rolname = r.role
                   WHERE r.purpose = 'serving' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION books_are_sound, round_is_sound TO %I', serving);
    END LOOP;
END $$;
ALTER TABLE books DROP CONSTRAINT IF EXISTS are_sound,
    ADD CONSTRAINT are_sound CHECK (books_are_sound(is_the_one, id, seal_key, hold_open_count,
        chain, first_chain, number_slack, alarm, shard, shard_number)),
    DROP CONSTRAINT IF EXISTS books_is_the_one_check, DROP CONSTRAINT IF EXISTS books_id_check,
    DROP CONSTRAINT IF EXISTS books_seal_key_check,
    DROP CONSTRAINT IF EXISTS books_hold_open_count_check,
    DROP CONSTRAINT IF EXISTS books_chain_check, DROP CONSTRAINT IF EXISTS books_first_chain_check,
    DROP CONSTRAINT IF EXISTS books_number_slack_check,
    DROP CONSTRAINT IF EXISTS books_alarm_check, DROP CONSTRAINT IF EXISTS books_shard_check,
    DROP CONSTRAINT IF EXISTS books_shard_number_check;
ALTER TABLE rounds DROP CONSTRAINT IF EXISTS is_sound,
    ADD CONSTRAINT is_sound CHECK (round_is_sound(number, token, record_count, chain)) NOT VALID;

-- Partitions follow each other without a gap. They are made aside and attached, which locks out
-- nobody. CREATE TABLE ... PARTITION OF would lock the parent. They are not analysed while they are
-- empty: what nobody has looked at is planned for as if it had some rows, and that is right soon.
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
            EXECUTE format('CREATE UNIQUE INDEX %I ON %I (key)',
                'idempotency_' || suffix || '_once', 'idempotency_' || suffix);
        END IF;
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
            parent, parent || '_' || suffix, low, high);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT in_time', parent || '_' || suffix);
    END LOOP;
    UPDATE extent SET end_record = high;
    RETURN suffix;
END $$;
DO $$ DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT conrelid::regclass FROM pg_constraint WHERE conname = 'in_time' AND
                connamespace = 'florin'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT in_time', part);
    END LOOP;
END $$;

-- alone
ALTER TABLE rounds VALIDATE CONSTRAINT is_sound;

-- alone
ALTER TABLE rounds DROP CONSTRAINT IF EXISTS rounds_number_check,
    DROP CONSTRAINT IF EXISTS rounds_token_check,
    DROP CONSTRAINT IF EXISTS rounds_record_count_check,
    DROP CONSTRAINT IF EXISTS rounds_chain_check;
