-- SPDX-License-Identifier: MIT
-- When the next hold or held payment ends is kept in the row of books: looked for in their index by
-- every round it would walk over all that have ended since the oldest transaction began that
-- somebody has open. A node of the version before does not keep it, so in books that it may be
-- serving now it is NULL, and looked for; `UPDATE florin.books SET next_due_ms = 0` when no such
-- node is left. Books that are born now never had one.
-- serves: 45
ALTER TABLE books ADD COLUMN IF NOT EXISTS next_due_ms bigint;
ALTER TABLE books ALTER COLUMN next_due_ms SET DEFAULT 0;
COMMENT ON COLUMN books.next_due_ms IS
    'Nothing ends by itself before; 0: it must be looked for; NULL: by every round.';
