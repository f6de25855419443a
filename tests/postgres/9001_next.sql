-- SPDX-License-Identifier: MIT
-- What a later version of Florin might bring, for the tests alone: a column is added, filled in
-- slices, and gets an index. Everybody can go on with the schema meanwhile and afterwards.
-- serves: 1
ALTER TABLE wallets ADD COLUMN IF NOT EXISTS opened_by bigint;
COMMENT ON COLUMN wallets.opened_by IS 'The transaction that filled it in; NULL: not yet.';
-- slices
WITH picked AS (SELECT slot, number FROM wallets WHERE opened_by IS NULL ORDER BY slot, number
              LIMIT 10 FOR UPDATE),
     filled AS (UPDATE wallets w SET opened_by = txid_current() FROM picked s
                WHERE w.slot = s.slot AND w.number = s.number AND w.opened_by IS NULL RETURNING 1)
SELECT count(*) FROM filled
-- alone
CREATE INDEX CONCURRENTLY IF NOT EXISTS holds_next ON holds (wallet, number)
