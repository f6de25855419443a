-- SPDX-License-Identifier: MIT
-- A slot's chain of records goes along when it moves, from where it began: not everywhere at zero,
-- as books that once came from the other engine begin where those ended.
-- serves: 38
ALTER TABLE slots ADD COLUMN IF NOT EXISTS began bytea CHECK (length(began) = 32);
COMMENT ON COLUMN slots.began IS
    'Of a slot that moved: where its chain of records begins. NULL: where the books'' does.';
COMMENT ON COLUMN books.moved_last IS
    'The last record that moved in from the other engine, with the books or with a slot; up to it '
    'numbers have gaps. 0: there is none.';
