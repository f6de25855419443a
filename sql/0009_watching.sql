-- SPDX-License-Identifier: MIT
-- Two things for those who watch the money: running totals, and a place in the feed.
--
-- What all wallets of a currency have together, added up change by change. Every commit that moves
-- money across the border of the books is held against it here, whatever program writes.
LOCK TABLE currencies IN EXCLUSIVE MODE;
ALTER TABLE currencies ADD COLUMN IF NOT EXISTS balances numeric(39, 0) NOT NULL DEFAULT 0;
UPDATE currencies c SET balances =
    (SELECT coalesce(sum(w.balance), 0) FROM wallets w WHERE w.currency = c.number);
ALTER TABLE currencies DROP CONSTRAINT IF EXISTS currencies_add_up;
ALTER TABLE currencies ADD CONSTRAINT currencies_add_up CHECK (balances = deposits - withdrawals);
COMMENT ON COLUMN currencies.balances IS
    'The sum of all balances, kept by its own arithmetic: what came in minus what went out.';

ALTER TABLE cursors DROP CONSTRAINT IF EXISTS cursors_kind_check;
ALTER TABLE cursors ADD CONSTRAINT cursors_kind_check CHECK (kind IN (0, 1, 2, 3));
COMMENT ON TABLE cursors IS
    'Places in logs beside the books: 0 the feed of events, 1 the queue, 2 the feed of patterns, '
    '3 where history begins: the position of its first record, with half of the digest of what was '
    'carried over in checksum and source.';
