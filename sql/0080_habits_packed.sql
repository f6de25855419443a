-- SPDX-License-Identifier: MIT
-- What a wallet usually does is packed: words that are 0 are left out, which is two thirds of most.
-- Rows are packed when they are written next, and those that nobody writes stay as they are: both
-- kinds are read. A node of the version before reads the old kind alone, so in books that it may be
-- serving now nothing is packed; `UPDATE florin.books SET habits_packed = true` when no such node is
-- left. Books that are born now never had one.
-- serves: 70
ALTER TABLE books ADD COLUMN IF NOT EXISTS habits_packed boolean NOT NULL DEFAULT false;
ALTER TABLE books ALTER COLUMN habits_packed SET DEFAULT true;
COMMENT ON COLUMN books.habits_packed IS
    'Whether the habits of wallets are written packed; false: as nodes of earlier versions read them.';
COMMENT ON COLUMN wallets.habits IS
    'What the wallet usually does (src/ledger/habits.h); none while there are no rules.';
