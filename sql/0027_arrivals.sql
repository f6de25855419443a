-- SPDX-License-Identifier: MIT
-- Money that goes from a wallet of one shard to one of another. The payer's shard decides and has
-- the transaction; the leg on the payee's brings its bytes, and that shard's next batch makes a
-- record of its own of them. Until then nobody else changes that wallet.
ALTER TABLE legs ADD COLUMN IF NOT EXISTS place integer NOT NULL DEFAULT 0;
ALTER TABLE legs ADD COLUMN IF NOT EXISTS slot smallint NOT NULL DEFAULT 0
    CHECK (slot BETWEEN 0 AND 1023);
ALTER TABLE legs ADD COLUMN IF NOT EXISTS number bigint NOT NULL DEFAULT 0;
ALTER TABLE legs ADD COLUMN IF NOT EXISTS bytes bytea;
ALTER TABLE legs ADD COLUMN IF NOT EXISTS is_taken boolean NOT NULL DEFAULT true;
ALTER TABLE legs DROP CONSTRAINT IF EXISTS legs_pkey, ADD PRIMARY KEY (gid, place);
CREATE INDEX IF NOT EXISTS legs_arrived ON legs (made_ms, gid, place) WHERE NOT is_taken;
COMMENT ON COLUMN decisions.gid IS 'florin, the books, the shard that decides and something random.';
COMMENT ON COLUMN decisions.is_commit IS 'false: aborted, by whoever waited for long enough.';
COMMENT ON COLUMN decisions.made_ms IS 'When, by the clock of the books.';
COMMENT ON COLUMN legs.gid IS 'As in `decisions` of the shard that decides.';
COMMENT ON COLUMN legs.made_ms IS 'When, by the clock of the node that made it.';
COMMENT ON COLUMN legs.number IS 'Of the wallet that gets money; 0: none does.';
COMMENT ON COLUMN legs.place IS 'Counts the rows of one gid.';
COMMENT ON COLUMN legs.slot IS 'Of the wallet that gets money.';
COMMENT ON COLUMN legs.bytes IS 'The record of the payment, as the payer''s shard has it.';
COMMENT ON COLUMN legs.is_taken IS 'Whether this shard has made a record of it.';
COMMENT ON INDEX legs_arrived IS 'What is still to become a record.';

-- What went to other shards (-) and came from them (+). Over all shards it sums to zero, but for
-- payments that are decided and have not arrived.
ALTER TABLE currencies ADD COLUMN IF NOT EXISTS transit numeric(39, 0) NOT NULL DEFAULT 0;
ALTER TABLE currencies DROP CONSTRAINT IF EXISTS currencies_add_up;
ALTER TABLE currencies ADD CONSTRAINT currencies_add_up
    CHECK (balances = deposits - withdrawals + transit);
COMMENT ON COLUMN currencies.transit IS
    'What came from other shards less what went there; 0 when the books lie on one server.';

COMMENT ON COLUMN records.kind IS
    'As in `bytes`; 21: a payment from a wallet of another shard, which has the transaction.';

DELETE FROM privileges WHERE on_what IN ('decisions, legs', 'legs') OR
    (purpose = 'verifying' AND privilege = 'SELECT (shard)');
INSERT INTO privileges VALUES ('serving', 'SELECT, INSERT, DELETE', 'decisions, legs'),
    ('serving', 'UPDATE', 'legs'), ('both', 'SELECT', 'decisions, legs'),
    ('verifying', 'SELECT (shard)', 'books');
