-- SPDX-License-Identifier: MIT
-- Wallets had an index by number and one by slot and number. A version of a wallet that finds no
-- room on its page has an entry in each, and beside a transaction that stays open that is two of
-- five. One by number and slot serves both: whoever has a wallet's number finds it there, whether
-- or not he names the slot, and all wallets stand in it newest first. Who wants all of a slot comes
-- by that of the owners.
-- serves: 104
CREATE INDEX IF NOT EXISTS wallets_numbered ON ONLY wallets (number, slot);
COMMENT ON INDEX wallets_numbered IS 'Each wallet by its number; all wallets, newest first.';

-- each
SELECT coalesce(
    -- One that broke off is of no use.
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.wallets'::regclass AND NOT x.indisvalid
     ORDER BY c.relname LIMIT 1),
    -- Made first, then attached.
    (SELECT CASE WHEN n.oid IS NULL
                 THEN format('CREATE INDEX CONCURRENTLY %I ON florin.%I (number, slot)',
                             t.relname || '_numbered', t.relname)
                 ELSE format('ALTER INDEX florin.wallets_numbered ATTACH PARTITION florin.%I',
                             n.relname) END
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     LEFT JOIN pg_class n ON n.relname = t.relname || '_numbered' AND
         n.relnamespace = t.relnamespace
     WHERE i.inhparent = 'florin.wallets'::regclass AND NOT EXISTS
         (SELECT FROM pg_index x JOIN pg_inherits h ON h.inhrelid = x.indexrelid
          WHERE x.indrelid = t.oid AND h.inhparent = 'florin.wallets_numbered'::regclass)
     ORDER BY t.relname LIMIT 1),
    (SELECT 'DROP INDEX florin.wallets_number'
     WHERE to_regclass('florin.wallets_number') IS NOT NULL),
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     JOIN pg_class c ON c.relname = t.relname || '_slot_number' AND
         c.relnamespace = t.relnamespace
     WHERE i.inhparent = 'florin.wallets'::regclass ORDER BY c.relname LIMIT 1))
