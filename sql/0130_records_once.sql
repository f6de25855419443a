-- SPDX-License-Identifier: MIT
-- Records had two indexes, by slot and number and by number alone. Those by slot lay all over the
-- index, a page for each, and took a payment longer than its row. One by number and slot is as
-- unique, and whoever comes by the number finds all in it; new entries stand at its end. Only who
-- moves a slot asks for all of its records: he walks over the index, which has the slot.
-- serves: 104
CREATE UNIQUE INDEX IF NOT EXISTS records_once ON ONLY records (number, slot);
COMMENT ON INDEX records_once IS
    'Each record once; the feed, and records whose slot is not known.';

-- each
SELECT coalesce(
    -- One that broke off is of no use.
    (SELECT format('DROP INDEX CONCURRENTLY florin.%I', c.relname)
     FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
     JOIN pg_class c ON c.oid = x.indexrelid
     WHERE i.inhparent = 'florin.records'::regclass AND NOT x.indisvalid
     ORDER BY c.relname LIMIT 1),
    -- Made first, then attached; a partition that is on its way out keeps what it has.
    (SELECT CASE WHEN n.oid IS NULL
                 THEN format('CREATE UNIQUE INDEX CONCURRENTLY %I ON florin.%I (number, slot)',
                             t.relname || '_once', t.relname)
                 ELSE format('ALTER INDEX florin.records_once ATTACH PARTITION florin.%I',
                             n.relname) END
     FROM pg_inherits i JOIN pg_class t ON t.oid = i.inhrelid
     LEFT JOIN pg_class n ON n.relname = t.relname || '_once' AND n.relnamespace = t.relnamespace
     WHERE i.inhparent = 'florin.records'::regclass AND NOT i.inhdetachpending AND NOT EXISTS
         (SELECT FROM pg_index x JOIN pg_inherits h ON h.inhrelid = x.indexrelid
          WHERE x.indrelid = t.oid AND h.inhparent = 'florin.records_once'::regclass)
     ORDER BY t.relname LIMIT 1),
    (SELECT format('ALTER TABLE florin.records DROP CONSTRAINT %I', conname)
     FROM pg_constraint WHERE conrelid = 'florin.records'::regclass AND contype = 'p'),
    (SELECT 'DROP INDEX florin.records_number'
     WHERE to_regclass('florin.records_number') IS NOT NULL))
