-- SPDX-License-Identifier: MIT
-- Old partitions may be detached: what the books had come to before them, and what is still needed
-- of them, lies here. Who knows the schema up to 4 can use it until something is detached.
-- serves: 4
ALTER TABLE extent
    ADD COLUMN IF NOT EXISTS archived bigint NOT NULL DEFAULT 0 CHECK (archived >= 0),
    ADD COLUMN IF NOT EXISTS idempotency_days integer NOT NULL DEFAULT 7 CHECK (idempotency_days > 0);
COMMENT ON COLUMN extent.archived IS
    'Purchases before this record are not refunded any more: history before it is archived, or is '
    'about to be. Checks begin where the cursor of kind 3 stands, which follows.';
COMMENT ON COLUMN extent.idempotency_days IS
    'How long any node of these books remembers idempotency keys; nothing younger is detached.';

ALTER TABLE cursors DROP CONSTRAINT IF EXISTS cursors_kind_check,
    ADD CONSTRAINT cursors_kind_check CHECK (kind IN (0, 1, 2, 3)) NOT VALID;
COMMENT ON TABLE cursors IS 'Places in logs beside the books: 0 the feed of events, 1 the queue; '
    '2 the feed of patterns; 3 where history begins: the position of its first record, with half of the digest of what was '
    'carried over in checksum and source.';

CREATE TABLE IF NOT EXISTS openings (
    line bigint NOT NULL CHECK (line >= 1),
    what smallint NOT NULL CHECK (what BETWEEN 1 AND 11),
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    number bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (line, what, slot, number)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
COMMENT ON TABLE openings IS
    'What the books had come to before a record number: 1 the books, 2 chains of slots, '
    '3 currencies, 4 wallets, 5 open holds, 6 pending withdrawals, 7 refunded purchases, 8 keys, '
    '9 cursors, 11 payments held for review. A digest over all of it is in the record that moved the cursor of kind 3.';
COMMENT ON COLUMN openings.number IS 'Of the wallet, hold, withdrawal or purchase; else counted.';
COMMENT ON COLUMN openings.bytes IS 'An id, if it has one, and numbers of eight bytes.';

CREATE OR REPLACE FUNCTION opening_number(bytes bytea, place integer) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ('x' || encode(substr(bytes, 17 + 8 * place, 8), 'hex'))::bit(64)::bigint
$$;
COMMENT ON FUNCTION opening_number IS 'One of the numbers behind the id of a row of openings.';

CREATE OR REPLACE VIEW opening_balances AS
    SELECT id_text('wallet', substr(o.bytes, 1, 16)) AS wallet,
           to_timestamp((o.line >> 17) / 1000.0) AS at, opening_number(o.bytes, 0) AS balance,
           opening_number(o.bytes, 2) AS held, o.slot, o.number, o.line
    FROM openings o WHERE o.what = 4;
COMMENT ON VIEW opening_balances IS
    'What each wallet had where its history begins, in minor units.';

-- The serving role may not change `extent`; this is all that nodes tell it.
CREATE OR REPLACE FUNCTION keys_remembered(days integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = florin, pg_temp AS $$
    UPDATE extent SET idempotency_days = days WHERE idempotency_days < days
$$;
COMMENT ON FUNCTION keys_remembered IS 'A node says at its start how long it remembers keys.';

DELETE FROM privileges WHERE on_what LIKE '%openings%' OR on_what LIKE '%opening_number%' OR
    on_what LIKE '%keys_remembered%';
INSERT INTO privileges VALUES
    ('both', 'SELECT', 'openings, opening_balances'),
    ('both', 'EXECUTE', 'FUNCTION opening_number'),
    ('serving', 'EXECUTE', 'FUNCTION keys_remembered');
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA florin FROM PUBLIC;
