-- SPDX-License-Identifier: MIT
-- The books of Florin in PostgreSQL. Whoever changes rows here by hand changes money: don't.
--
-- What is once written and never changes: records, postings, bank_ids, idempotency, rounds. What
-- stands now: wallets, holds, withdrawals, refunds, currencies, keys, and the one row of books.
-- Texts of clients are bytea: they are compared byte by byte, and may hold any character.
-- `position` of the feed is 8 x records.number. Amounts are integers in minor units. Times are
-- milliseconds since 1970 UTC.

CREATE TABLE books (
    is_the_one boolean PRIMARY KEY DEFAULT true CHECK (is_the_one),
    id bytea NOT NULL CHECK (length(id) = 16),
    seal_key bytea NOT NULL CHECK (length(seal_key) = 16),
    hash_seed bigint NOT NULL,
    created_ms bigint NOT NULL,
    time_ms bigint NOT NULL,
    round_count bigint NOT NULL DEFAULT 0,
    record_count bigint NOT NULL DEFAULT 0,
    wallet_count bigint NOT NULL DEFAULT 0,
    hold_count bigint NOT NULL DEFAULT 0,
    hold_open_count bigint NOT NULL DEFAULT 0 CHECK (hold_open_count >= 0),
    withdrawal_count bigint NOT NULL DEFAULT 0,
    key_count bigint NOT NULL DEFAULT 0,
    transaction_count bigint NOT NULL DEFAULT 0,
    keys_version bigint NOT NULL DEFAULT 0,
    chain bytea NOT NULL CHECK (length(chain) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE books IS 'One row: what these books were born with, and how far they have come.';
COMMENT ON COLUMN books.seal_key IS 'Key of the ids'' permutation. Secret; losing it loses the ids.';
COMMENT ON COLUMN books.time_ms IS 'Time of the last round; the next is never earlier.';
COMMENT ON COLUMN books.chain IS 'SHA-256 over the chain of the round before and this round''s records.';

CREATE TABLE currencies (
    number smallint PRIMARY KEY CHECK (number BETWEEN 0 AND 1023),
    code text NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 12),
    exponent smallint NOT NULL CHECK (exponent BETWEEN 0 AND 8),
    wallet_count bigint NOT NULL,
    deposits numeric(39, 0) NOT NULL CHECK (deposits >= 0),
    withdrawals numeric(39, 0) NOT NULL CHECK (withdrawals >= 0)
) WITH (fillfactor = 10);
COMMENT ON TABLE currencies IS
    'Per currency: all that ever came in and went out. Their difference is the sum of all balances.';

CREATE TABLE wallets (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL UNIQUE,
    id bytea NOT NULL CHECK (length(id) = 16),
    owner bytea NOT NULL,
    currency smallint NOT NULL REFERENCES currencies,
    kind smallint NOT NULL CHECK (kind IN (0, 1)),
    status smallint NOT NULL CHECK (status IN (0, 1, 2)),
    balance bigint NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    held bigint NOT NULL CHECK (held BETWEEN 0 AND 9007199254740991),
    credit_limit bigint NOT NULL CHECK (credit_limit BETWEEN 0 AND 9007199254740991),
    version bigint NOT NULL CHECK (version >= 1),
    last_number bigint NOT NULL,
    opened bigint NOT NULL,
    details bigint NOT NULL,
    last bigint NOT NULL,
    level_64 bigint NOT NULL,
    level_4096 bigint NOT NULL,
    level_262144 bigint NOT NULL,
    PRIMARY KEY (slot, number),
    CONSTRAINT spends_within_credit CHECK (balance - held + credit_limit >= 0),
    CONSTRAINT closed_is_empty CHECK (status <> 2 OR (balance = 0 AND held = 0))
) WITH (fillfactor = 70);
CREATE INDEX wallets_owner ON wallets (owner, number);
COMMENT ON TABLE wallets IS 'Wallets as they are now. No index holds what payments change.';
COMMENT ON COLUMN wallets.number IS 'What the id seals.';
COMMENT ON COLUMN wallets.details IS 'Position of the record with its texts as they are now.';
COMMENT ON COLUMN wallets.last IS 'Position of its last transaction, whose number is last_number.';

CREATE TABLE holds (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL UNIQUE,
    id bytea NOT NULL CHECK (length(id) = 16),
    wallet bytea NOT NULL CHECK (length(wallet) = 16),
    merchant bytea NOT NULL CHECK (length(merchant) = 16),
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    captured bigint NOT NULL CHECK (captured BETWEEN 0 AND amount),
    expires_at_ms bigint NOT NULL,
    status smallint NOT NULL CHECK (status IN (0, 1, 2, 3)),
    opened bigint NOT NULL,
    closed bigint NOT NULL,
    order_id bytea,
    PRIMARY KEY (slot, number)
) WITH (fillfactor = 70);
CREATE INDEX holds_wallet ON holds (wallet, number);
CREATE INDEX holds_merchant ON holds (merchant, number);
CREATE INDEX holds_order ON holds (order_id, number) WHERE order_id IS NOT NULL;
CREATE INDEX holds_due ON holds (expires_at_ms) WHERE status = 0;
COMMENT ON TABLE holds IS 'Holds: 0 open, 1 captured, 2 voided, 3 expired.';

CREATE TABLE withdrawals (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL UNIQUE,
    id bytea NOT NULL CHECK (length(id) = 16),
    wallet bytea NOT NULL CHECK (length(wallet) = 16),
    amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    status smallint NOT NULL CHECK (status IN (0, 1, 2)),
    created_ms bigint NOT NULL,
    opened bigint NOT NULL,
    closed bigint NOT NULL,
    bank_id bytea,
    PRIMARY KEY (slot, number)
) WITH (fillfactor = 70);
CREATE INDEX withdrawals_wallet ON withdrawals (wallet, number);
CREATE INDEX withdrawals_bank ON withdrawals (bank_id, number) WHERE bank_id IS NOT NULL;
COMMENT ON TABLE withdrawals IS 'Withdrawals: 0 pending, 1 settled, 2 failed.';

CREATE TABLE records (
    number bigint PRIMARY KEY,
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    time_ms bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 7),
    type smallint CHECK (type BETWEEN 1 AND 5),
    principal bytea NOT NULL,
    order_id bytea,
    bank_id bytea,
    opening bigint,
    bytes bytea NOT NULL,
    CONSTRAINT transactions_have_types CHECK ((kind = 2) = (type IS NOT NULL))
);
COMMENT ON COLUMN records.opening IS 'The record that opened the hold or withdrawal, when another.';
ALTER TABLE records ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX records_transactions ON records (number) WHERE kind = 2;
CREATE INDEX records_order ON records (order_id, number) WHERE kind = 2 AND order_id IS NOT NULL;
COMMENT ON TABLE records IS
    'Every decision, with the same bytes as the journal of the embedded engine; dense from 1.';

CREATE TABLE postings (
    slot smallint NOT NULL,
    wallet bigint NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    record bigint NOT NULL,
    time_ms bigint NOT NULL,
    type smallint NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    balance bigint NOT NULL,
    held bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (slot, wallet, number)
);
COMMENT ON TABLE postings IS 'Each wallet''s statement: what came (+) and went (-), and what stood then.';

CREATE TABLE bank_ids (
    bank_id bytea NOT NULL,
    currency text NOT NULL,
    record bigint NOT NULL,
    id bytea NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (bank_id, currency)
);
COMMENT ON TABLE bank_ids IS 'A bank transaction is booked once per currency, for ever.';

CREATE TABLE idempotency (
    key bytea PRIMARY KEY CHECK (length(key) = 16),
    record bigint NOT NULL
);
COMMENT ON TABLE idempotency IS 'Digest of principal and idempotency key, and the record that answers it.';

CREATE TABLE refunds (
    record bigint PRIMARY KEY,
    refunded bigint NOT NULL CHECK (refunded BETWEEN 1 AND 9007199254740991)
) WITH (fillfactor = 70);
COMMENT ON TABLE refunds IS 'What was refunded so far of the purchase with that record.';

CREATE TABLE keys (
    number bigint PRIMARY KEY,
    id bytea NOT NULL CHECK (length(id) = 16),
    secret_hash bytea NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    expires_at_ms bigint NOT NULL,
    role smallint NOT NULL,
    revoked boolean NOT NULL,
    opened bigint NOT NULL
);
COMMENT ON TABLE keys IS 'API keys; only the hash of a secret is known.';

CREATE TABLE rounds (
    number bigint PRIMARY KEY,
    token bytea NOT NULL UNIQUE CHECK (length(token) = 16),
    time_ms bigint NOT NULL,
    first_record bigint NOT NULL,
    record_count bigint NOT NULL CHECK (record_count >= 1),
    chain bytea NOT NULL CHECK (length(chain) = 32)
);
CREATE INDEX rounds_time ON rounds (time_ms, first_record);
COMMENT ON TABLE rounds IS 'What was committed together; its token tells a node whether its COMMIT came through.';

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

CREATE VIEW balances AS
    SELECT encode(w.id, 'hex') AS wallet, convert_from(w.owner, 'UTF8') AS owner, c.code AS currency,
           w.balance, w.held, w.balance - w.held AS available, w.credit_limit, w.version
    FROM wallets w JOIN currencies c ON c.number = w.currency;
COMMENT ON VIEW balances IS 'Balances in minor units, as they are now.';

CREATE VIEW statements AS
    SELECT encode(w.id, 'hex') AS wallet, p.number, to_timestamp(p.time_ms / 1000.0) AS at, p.type,
           p.amount, p.balance, c.code AS currency
    FROM postings p JOIN wallets w ON w.slot = p.slot AND w.number = p.wallet
    JOIN currencies c ON c.number = w.currency;
COMMENT ON VIEW statements IS
    'Each wallet''s transactions in order: 1 deposit, 2 withdrawal, 3 purchase, 4 refund, 5 transfer.';
