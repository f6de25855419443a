-- SPDX-License-Identifier: MIT
-- A payment puts its wallets into other places, now and then on another page, with an entry in each
-- index. When the index is unique PostgreSQL then looks at every earlier version of that wallet
-- that has an entry, whether it still stands; and beside a transaction that stays open, a leg in
-- doubt or somebody's psql, none of them goes. For fifty wallets that take all payments these were
-- ten thousand pages in each round, after four hundred of them; without a unique index it is as
-- many as before. No two wallets have the same number, which is that of the record that opened it:
-- of a shard's own those are unique, and of what is opened from another one legs_open_once tells.
-- Whoever opens a wallet looks whether its number is free, and `florin verify` whether one is there
-- twice. Movers delete what is there before they write it.
-- serves: 49
COMMENT ON TABLE wallets IS
    'Wallets as they are now. No index holds what payments change, and none is unique: see 0095.';

-- each
SELECT coalesce(
    -- One that broke off is of no use.
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.wallets'::regclass AND NOT x.indisvalid
     ORDER BY c.relname LIMIT 1),
    (SELECT format('CREATE INDEX CONCURRENTLY %I ON florin.%I (slot, number)',
                   t.relname || '_slot_number', t.relname)
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     WHERE i.inhparent = 'florin.wallets'::regclass AND NOT EXISTS
         (SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
          WHERE x.indrelid = t.oid AND c.relname = t.relname || '_slot_number')
     ORDER BY t.relname LIMIT 1),
    (SELECT format('ALTER TABLE florin.wallets DROP CONSTRAINT %I', conname)
     FROM pg_constraint WHERE conrelid = 'florin.wallets'::regclass AND contype = 'p'))
