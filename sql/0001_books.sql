-- SPDX-License-Identifier: MIT
-- The books of Florin in PostgreSQL. Whoever changes rows here by hand changes money: don't.
--
-- One number orders everything: a record's number is its round's time in milliseconds shifted left
-- by 17 bits, and counts up from there; so it grows from record to record, and says when. A wallet,
-- hold, withdrawal or transaction has the number of the record that opened it, which its id holds
-- under a seal. `position` of the feed is 8 x number.
--
-- What is once written and never changes lies in partitions by number, which is by time: records,
-- postings, rounds, idempotency. bank_ids never changes either, and never ages. What stands now:
-- slots, wallets, holds, withdrawals, refunds, currencies, keys, and the one row of books.
--
-- Keys begin with the slot, so that a slot's rows can be found and moved together. Idempotency keys
-- alone are looked for wherever they were used: a key used for another wallet must be noticed.
--
-- A new table comes with a migration of its own: with a comment, and with rows in `privileges` that
-- say what the serving role may do with it. One that is cut by time is named in `partition_add`.
--
-- Texts of clients are bytea: they are compared byte by byte, and may hold any character. Amounts
-- are integers in minor units. Times are milliseconds since 1970 UTC.

CREATE TABLE books (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    id bytea NOT NULL CHECK (length(id) = 16),
    seal_key bytea NOT NULL CHECK (length(seal_key) = 16),
    hash_seed bigint NOT NULL,
    created_ms bigint NOT NULL,
    time_ms bigint NOT NULL,
    round_count bigint NOT NULL DEFAULT 0,
    record_count bigint NOT NULL DEFAULT 0,
    last_record bigint NOT NULL DEFAULT 0,
    wallet_count bigint NOT NULL DEFAULT 0,
    hold_count bigint NOT NULL DEFAULT 0,
    hold_open_count bigint NOT NULL DEFAULT 0 CHECK (hold_open_count >= 0),
    withdrawal_count bigint NOT NULL DEFAULT 0,
    key_count bigint NOT NULL DEFAULT 0,
    transaction_count bigint NOT NULL DEFAULT 0,
    keys_version bigint NOT NULL DEFAULT 0,
    chain bytea NOT NULL CHECK (length(chain) = 32),
    first_chain bytea NOT NULL CHECK (length(first_chain) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE books IS 'One row: what these books were born with, and how far they have come.';
COMMENT ON COLUMN books.seal_key IS 'Key of the ids'' permutation. Secret; losing it loses the ids.';
COMMENT ON COLUMN books.time_ms IS 'Time of the last round; the next is never earlier.';
COMMENT ON COLUMN books.last_record IS 'The number of the last record.';
COMMENT ON COLUMN books.chain IS
    'SHA-256 over the chain of the round before and what its records'' chains became.';
COMMENT ON COLUMN books.first_chain IS
    'Where the chains of rounds and slots begin: zero, or the end of the books that moved in.';

CREATE TABLE extent (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    end_record bigint NOT NULL CHECK (end_record >= 0),
    analysed_ms bigint NOT NULL
);
COMMENT ON TABLE extent IS
    'One row: before which record numbers there are partitions, and when they were analysed.';

CREATE TABLE slots (
    slot smallint PRIMARY KEY CHECK (slot BETWEEN 0 AND 1023),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    last_record bigint NOT NULL,
    record_count bigint NOT NULL CHECK (record_count >= 0),
    round bigint NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE slots IS 'The head of each slot''s chain of records, and the round that moved it last.';

CREATE TABLE currencies (
    number smallint PRIMARY KEY CHECK (number BETWEEN 0 AND 1023),
    code text NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 12),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 8),
    wallet_count bigint NOT NULL CHECK (wallet_count >= 0),
    deposits numeric(39, 0) NOT NULL CHECK (deposits >= 0),
    withdrawals numeric(39, 0) NOT NULL CHECK (withdrawals >= 0)
) WITH (fillfactor = 10);
COMMENT ON TABLE currencies IS
    'Per currency: all that ever came in and went out. Their difference is the sum of all balances.';

CREATE TABLE wallets (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    owner bytea NOT NULL,
    currency smallint NOT NULL REFERENCES currencies,
    kind smallint NOT NULL CHECK (kind IN (0, 1)),
    status smallint NOT NULL CHECK (status IN (0, 1, 2)),
    balance bigint NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    held bigint NOT NULL CHECK (held BETWEEN 0 AND 9007199254740991),
    credit_limit bigint NOT NULL CHECK (credit_limit BETWEEN 0 AND 9007199254740991),
    version bigint NOT NULL CHECK (version >= 1),
    transaction_count bigint NOT NULL CHECK (transaction_count >= 0),
    details bigint NOT NULL,
    last bigint NOT NULL,
    level_64 bigint NOT NULL,
    level_4096 bigint NOT NULL,
    level_262144 bigint NOT NULL,
    spent_day bigint NOT NULL DEFAULT 0,
    spent_day_sum bigint NOT NULL DEFAULT 0 CHECK (spent_day_sum >= 0),
    spent_month_sum bigint NOT NULL DEFAULT 0 CHECK (spent_month_sum >= spent_day_sum),
    PRIMARY KEY (slot, number),
    CONSTRAINT spends_within_credit CHECK (balance - held + credit_limit >= 0),
    CONSTRAINT closed_is_empty CHECK (status <> 2 OR (balance = 0 AND held = 0))
) PARTITION BY HASH (slot);
CREATE INDEX wallets_owner ON wallets (slot, owner, number);
CREATE INDEX wallets_number ON wallets (number);
COMMENT ON TABLE wallets IS 'Wallets as they are now. No index holds what payments change.';
COMMENT ON COLUMN wallets.spent_day IS
    'Days since 1970 of the last spending that was counted; 0: none. The sums are of it and its month.';
COMMENT ON COLUMN wallets.kind IS '0 customer, 1 merchant.';
COMMENT ON COLUMN wallets.status IS '0 active, 1 frozen, 2 closed.';
COMMENT ON COLUMN wallets.details IS 'The record with its texts as they are now.';
COMMENT ON COLUMN wallets.last IS 'The record of its last transaction, its transaction_count-th.';
COMMENT ON INDEX wallets_owner IS 'Wallets of an owner, newest first.';
COMMENT ON INDEX wallets_number IS 'All wallets, newest first.';

-- Four: with more, finding many wallets at once costs more than smaller indexes save.
DO $$ BEGIN
    FOR i IN 0 .. 3 LOOP
        EXECUTE format('CREATE TABLE wallets_%s PARTITION OF wallets '
            'FOR VALUES WITH (MODULUS 4, REMAINDER %s) WITH (fillfactor = 70, '
            'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)', i, i);
    END LOOP;
END $$;

CREATE TABLE holds (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    wallet bytea NOT NULL CHECK (length(wallet) = 16),
    merchant bytea NOT NULL CHECK (length(merchant) = 16),
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    captured bigint NOT NULL CHECK (captured BETWEEN 0 AND amount),
    expires_at_ms bigint NOT NULL,
    status smallint NOT NULL CHECK (status IN (0, 1, 2, 3)),
    closed bigint NOT NULL,
    order_id bytea,
    PRIMARY KEY (slot, number),
    CONSTRAINT captured_has_captures CHECK (status <> 1 OR captured > 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX holds_number ON holds (number);
CREATE INDEX holds_wallet ON holds (slot, wallet, number);
CREATE INDEX holds_merchant ON holds (merchant, number);
CREATE INDEX holds_order ON holds (order_id, number) WHERE order_id IS NOT NULL;
CREATE INDEX holds_due ON holds (expires_at_ms) WHERE status = 0;
COMMENT ON TABLE holds IS 'Holds: 0 open, 1 captured, 2 voided, 3 expired.';
COMMENT ON COLUMN holds.closed IS 'The record of its last capture, of its void or expiry; 0: none.';
COMMENT ON INDEX holds_due IS 'Which open holds end next.';

CREATE TABLE withdrawals (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    wallet bytea NOT NULL CHECK (length(wallet) = 16),
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    status smallint NOT NULL CHECK (status IN (0, 1, 2)),
    created_ms bigint NOT NULL,
    closed bigint NOT NULL,
    bank_id bytea,
    PRIMARY KEY (slot, number),
    CONSTRAINT pending_is_not_closed CHECK ((status = 0) = (closed = 0)),
    CONSTRAINT settled_has_bank_id CHECK (status <> 1 OR bank_id IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX withdrawals_number ON withdrawals (number);
CREATE INDEX withdrawals_wallet ON withdrawals (slot, wallet, number);
CREATE INDEX withdrawals_bank ON withdrawals (bank_id, number) WHERE bank_id IS NOT NULL;
COMMENT ON TABLE withdrawals IS 'Withdrawals: 0 pending, 1 settled, 2 failed.';
COMMENT ON COLUMN withdrawals.closed IS 'The record of its settlement or failure; 0: none.';

CREATE TABLE refunds (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    record bigint NOT NULL,
    refunded bigint NOT NULL CHECK (refunded BETWEEN 1 AND 9007199254740991),
    PRIMARY KEY (slot, record)
) WITH (fillfactor = 70);
COMMENT ON TABLE refunds IS 'What was refunded so far of the purchase with that record.';

CREATE TABLE keys (
    number bigint PRIMARY KEY,
    id bytea NOT NULL CHECK (length(id) = 16),
    secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    expires_at_ms bigint NOT NULL,
    role smallint NOT NULL,
    revoked boolean NOT NULL,
    opened bigint NOT NULL,
    previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
    previous_until_ms bigint NOT NULL,
    rotated bigint NOT NULL
);
COMMENT ON TABLE keys IS 'API keys; only the hashes of secrets are known. All belong to slot 0.';
COMMENT ON COLUMN keys.previous_hash IS
    'The secret before the last rotation; it works until previous_until_ms.';
COMMENT ON COLUMN keys.rotated IS 'The record of its last rotation; 0: none.';
COMMENT ON COLUMN keys.opened IS 'The record that made it.';

CREATE TABLE bank_ids (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    bank_id bytea NOT NULL,
    currency text NOT NULL,
    record bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (slot, bank_id, currency)
) PARTITION BY HASH (slot);
COMMENT ON TABLE bank_ids IS
    'A bank transaction is booked once per currency, for ever. Slot: a hash of the bank''s id.';
COMMENT ON COLUMN bank_ids.id IS 'The transaction, whose record has that number.';

DO $$ BEGIN
    FOR i IN 0 .. 3 LOOP
        EXECUTE format('CREATE TABLE bank_ids_%s PARTITION OF bank_ids '
            'FOR VALUES WITH (MODULUS 4, REMAINDER %s) '
            'WITH (autovacuum_vacuum_insert_scale_factor = 0.05)', i, i);
    END LOOP;
END $$;

-- ---- by time -----------------------------------------------------------------------------------

CREATE TABLE records (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL CHECK (number >= 1),
    time_ms bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind >= 1),
    type smallint CHECK (type BETWEEN 1 AND 31),
    principal bytea NOT NULL,
    order_id bytea,
    opening bigint,
    chain bytea NOT NULL CHECK (length(chain) = 32),
    bytes bytea NOT NULL,
    PRIMARY KEY (slot, number),
    CONSTRAINT transactions_have_types CHECK ((kind = 2) = (type IS NOT NULL)),
    CONSTRAINT number_tells_time CHECK (number >= time_ms << 17)
) PARTITION BY RANGE (number);
ALTER TABLE records ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX records_number ON records (number);
CREATE INDEX records_order ON records (order_id, number) WHERE kind = 2 AND order_id IS NOT NULL;
COMMENT ON TABLE records IS
    'Every decision, with the same bytes as the journal of the embedded engine: transactions (kind 2) '
    'and all else that makes up the audit.';
COMMENT ON COLUMN records.slot IS 'The home slot of what was asked.';
COMMENT ON COLUMN records.opening IS 'The record that opened the hold or withdrawal, when another.';
COMMENT ON COLUMN records.chain IS
    'SHA-256 over the chain of the slot''s record before (slots.chain) and `bytes`.';
COMMENT ON INDEX records_number IS 'The feed, and records whose slot is not known.';

CREATE TABLE postings (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    wallet bigint NOT NULL,
    record bigint NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    time_ms bigint NOT NULL,
    type smallint NOT NULL CHECK (type BETWEEN 1 AND 31),
    amount bigint NOT NULL CHECK (amount <> 0),
    balance bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    version bigint NOT NULL CHECK (version >= 1),
    PRIMARY KEY (slot, wallet, record)
) PARTITION BY RANGE (record);
COMMENT ON TABLE postings IS 'Each wallet''s statement: what came (+) and went (-), and what stood then.';
COMMENT ON COLUMN postings.number IS 'Counts the wallet''s transactions from 1.';

CREATE TABLE approvals (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    wallet bytea NOT NULL CHECK (length(wallet) = 16),
    principal bytea NOT NULL,
    expires_at_ms bigint NOT NULL,
    status smallint NOT NULL CHECK (status BETWEEN 0 AND 3),
    cause smallint NOT NULL,
    closed bigint NOT NULL,
    PRIMARY KEY (slot, number),
    CONSTRAINT pending_is_not_decided CHECK ((status = 0) = (closed = 0))
) WITH (fillfactor = 70);
CREATE INDEX approvals_number ON approvals (number);
COMMENT ON TABLE approvals IS
    'Requests that wait for a second person: 0 pending, 1 approved, 2 refused then, 3 rejected.';
COMMENT ON COLUMN approvals.closed IS 'The record of the decision; 0: none.';
COMMENT ON COLUMN approvals.number IS 'Of the record that opened it, which has the whole request.';

CREATE TABLE rounds (
    number bigint NOT NULL CHECK (number >= 1),
    token bytea NOT NULL CHECK (length(token) = 16),
    time_ms bigint NOT NULL,
    first_record bigint NOT NULL,
    record_count bigint NOT NULL CHECK (record_count >= 1),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    PRIMARY KEY (number, first_record)
) PARTITION BY RANGE (first_record);
COMMENT ON TABLE rounds IS 'What was committed together; its token tells a node whether its COMMIT came through.';

CREATE TABLE idempotency (
    key bytea NOT NULL CHECK (length(key) = 16),
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    record bigint NOT NULL
) PARTITION BY RANGE (record);
COMMENT ON TABLE idempotency IS
    'Digest of principal and idempotency key, and the record that answers it. A key is unique in its '
    'partition by index, the only one; across partitions because it is looked for first, SERIALIZABLE.';

-- ---- what is left of partitions that were detached ----------------------------------------------

CREATE TABLE kept_records (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (slot, number)
);
COMMENT ON TABLE kept_records IS
    'Of detached partitions: records that something which stands now still needs.';

-- ---- functions ---------------------------------------------------------------------------------

-- A write that met other rows than the rules saw must not be committed by a COMMIT behind it.
CREATE FUNCTION expect(actual bigint, expected bigint, what text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF actual IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'wrote % rows of %, but % were decided on', actual, what, expected
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN true;
END $$;
COMMENT ON FUNCTION expect IS 'Ends the transaction when a write touched other rows than decided.';

-- Partitions follow each other without a gap. They are made aside and attached, which locks out
-- nobody. CREATE TABLE ... PARTITION OF would lock the parent. They are not analysed while they are
-- empty: what nobody has looked at is planned for as if it had some rows, and that is right soon.
CREATE FUNCTION partition_add(until_ms bigint) RETURNS text
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
    END LOOP;
    UPDATE extent SET end_record = high;
    RETURN suffix;
END $$;
COMMENT ON FUNCTION partition_add IS
    'Adds one partition to each relation by time, from where the last ends to the given time.';

CREATE FUNCTION partitions_ahead(now_ms bigint, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = florin, pg_temp AS $$
DECLARE
    ends timestamp;
    this_month CONSTANT timestamp :=
        date_trunc('month', to_timestamp(now_ms / 1000.0) AT TIME ZONE 'UTC');
    added integer := 0;
BEGIN
    LOOP
        SELECT to_timestamp((end_record >> 17) / 1000.0) AT TIME ZONE 'UTC' INTO STRICT ends
            FROM extent;
        EXIT WHEN ends > this_month + months * interval '1 month' OR added > months + 2;
        -- After a long sleep one partition reaches to the present month.
        ends := greatest(date_trunc('month', ends) + interval '1 month', this_month);
        PERFORM partition_add((extract(epoch FROM ends AT TIME ZONE 'UTC') * 1000)::bigint);
        added := added + 1;
    END LOOP;
    RETURN added;
END $$;
COMMENT ON FUNCTION partitions_ahead IS
    'Makes partitions up to so many whole months after the present one; returns how many were new.';

CREATE FUNCTION tidy(now_ms bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = florin, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(7886713) THEN
        RETURN false;
    END IF;
    PERFORM partitions_ahead(now_ms, 2);
    IF (SELECT analysed_ms FROM extent) > now_ms - 86400000 THEN
        RETURN true;
    END IF;
    -- Autovacuum looks at partitions, never at what they are partitions of.
    ANALYZE records, postings, rounds, idempotency, wallets, bank_ids;
    UPDATE extent SET analysed_ms = now_ms;
    RETURN true;
END $$;
COMMENT ON FUNCTION tidy IS
    'What nodes call now and then: partitions ahead of time, and once a day statistics of parents.';

-- ---- for people --------------------------------------------------------------------------------

CREATE FUNCTION id_text(prefix text, id bytea) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT prefix || '_' || string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
        substr('00' || ('x' || encode(id, 'hex'))::bit(128)::text, i * 5 + 1, 5)::bit(5)::integer + 1,
        1), '' ORDER BY i) FROM generate_series(0, 25) i
$$;
COMMENT ON FUNCTION id_text IS 'An id as the API writes it.';

CREATE FUNCTION id_bytes(id text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT decode(string_agg(lpad(to_hex(substr(bits, i * 4 + 3, 4)::bit(4)::integer), 1, '0'), ''
        ORDER BY i), 'hex') FROM generate_series(0, 31) i, (
        SELECT string_agg((strpos('0123456789abcdefghjkmnpqrstvwxyz', substr(right(id, 26), k, 1))
            - 1)::bit(5)::text, '' ORDER BY k) AS bits FROM generate_series(1, 26) k) b
$$;
COMMENT ON FUNCTION id_bytes IS 'The bytes of an id that the API wrote.';

CREATE FUNCTION id_slot(id bytea) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ((get_byte(id, 6) & 15) << 6) | (get_byte(id, 7) >> 2)
$$;
COMMENT ON FUNCTION id_slot IS 'The slot that an id carries.';

CREATE FUNCTION id_number(id bytea) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || encode(substr(id, 1, 6), 'hex'))::bit(48)::bigint << 17
$$;
COMMENT ON FUNCTION id_number IS
    'The smallest number that the thing with this id can have; it is rarely much larger.';

CREATE VIEW balances AS
    SELECT id_text('wallet', w.id) AS wallet, convert_from(w.owner, 'UTF8') AS owner,
           c.code AS currency, c.exponent, w.balance, w.held, w.balance - w.held AS available,
           w.credit_limit, w.version, (ARRAY['active', 'frozen', 'closed'])[w.status + 1] AS status,
           (ARRAY['customer', 'merchant'])[w.kind + 1] AS kind,
           to_timestamp((w.number >> 17) / 1000.0) AS opened_at, w.slot, w.number
    FROM wallets w JOIN currencies c ON c.number = w.currency;
COMMENT ON VIEW balances IS 'Balances in minor units, as they are now.';

CREATE VIEW statements AS
    SELECT id_text('wallet', w.id) AS wallet, p.number, to_timestamp(p.time_ms / 1000.0) AS at,
           (ARRAY['deposit', 'withdrawal', 'purchase', 'refund', 'transfer'])[p.type] AS type,
           p.amount, p.balance, c.code AS currency, p.record, p.slot, p.wallet AS wallet_number
    FROM postings p JOIN wallets w ON w.slot = p.slot AND w.number = p.wallet
    JOIN currencies c ON c.number = w.currency;
COMMENT ON VIEW statements IS 'Each wallet''s transactions, numbered in their order, in minor units.';

CREATE FUNCTION balance_of(wallet text) RETURNS SETOF balances
LANGUAGE sql STABLE STRICT AS $$
    SELECT * FROM florin.balances b WHERE b.slot = florin.id_slot(florin.id_bytes($1))
    AND b.number >= florin.id_number(florin.id_bytes($1))
    AND b.number < florin.id_number(florin.id_bytes($1)) + (1 << 24) AND b.wallet = $1
$$;
COMMENT ON FUNCTION balance_of IS 'The row of balances with that wallet id, found by index.';

CREATE FUNCTION statement_of(wallet text) RETURNS SETOF statements
LANGUAGE sql STABLE STRICT AS $$
    SELECT s.* FROM florin.balance_of($1) b JOIN florin.statements s ON s.slot = b.slot
    AND s.wallet_number = b.number ORDER BY s.record
$$;
COMMENT ON FUNCTION statement_of IS 'The rows of statements of that wallet id, found by index.';

-- ---- privileges --------------------------------------------------------------------------------

CREATE TABLE roles (
    role name PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('serving', 'verifying'))
);
COMMENT ON TABLE roles IS 'Who was given which privileges; they are given again after migrations.';

CREATE TABLE privileges (
    purpose text NOT NULL CHECK (purpose IN ('serving', 'verifying', 'both')),
    privilege text NOT NULL,
    on_what text NOT NULL
);
COMMENT ON TABLE privileges IS 'What serving and verifying takes; a migration with a new relation adds to it.';
-- The serving role writes what stands now and adds to the past, which it can neither change nor
-- remove. The verifying role only reads, all but the key of the ids and the hashes of secrets.
INSERT INTO privileges VALUES
    ('both', 'SELECT', 'extent, slots, currencies, wallets, holds, withdrawals, refunds, bank_ids'),
    ('both', 'SELECT', 'records, postings, rounds, idempotency, kept_records'),
    ('both', 'SELECT', 'approvals'),
    ('both', 'SELECT', 'migrations, balances, statements, roles, privileges'),
    ('both', 'EXECUTE', 'FUNCTION id_text, id_bytes, id_slot, id_number, balance_of, statement_of'),
    ('serving', 'SELECT, UPDATE', 'books'),
    ('serving', 'UPDATE', 'slots'),
    ('serving', 'INSERT, UPDATE', 'currencies, wallets, holds, withdrawals, refunds, approvals'),
    ('serving', 'SELECT, INSERT, UPDATE', 'keys'),
    ('serving', 'INSERT', 'records, postings, rounds, idempotency, bank_ids'),
    ('serving', 'EXECUTE', 'FUNCTION expect, partitions_ahead, tidy'),
    ('verifying', 'SELECT (is_the_one, id, created_ms, time_ms, round_count, record_count, '
        'last_record, wallet_count, hold_count, hold_open_count, withdrawal_count, key_count, '
        'transaction_count, keys_version, chain, first_chain)', 'books'),
    ('verifying', 'SELECT (number, id, expires_at_ms, role, revoked, opened)', 'keys');

CREATE FUNCTION grant_to(receiver name, wanted text) RETURNS void
LANGUAGE plpgsql SET search_path = florin, pg_temp AS $$
DECLARE
    given privileges;
BEGIN
    INSERT INTO roles VALUES (receiver, wanted)
        ON CONFLICT (role) DO UPDATE SET purpose = excluded.purpose;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA florin FROM %I', receiver);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA florin FROM %I', receiver);
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA florin FROM PUBLIC;
    EXECUTE format('GRANT USAGE ON SCHEMA florin TO %I', receiver);
    FOR given IN SELECT * FROM privileges p WHERE p.purpose IN ('both', wanted) LOOP
        EXECUTE format('GRANT %s ON %s TO %I', given.privilege, given.on_what, receiver);
    END LOOP;
END $$;
COMMENT ON FUNCTION grant_to IS 'Gives a role what serving or verifying takes, and nothing else.';
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA florin FROM PUBLIC;
