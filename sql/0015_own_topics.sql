-- SPDX-License-Identifier: MIT
-- Producers may have topics of their own for commands, up to eight; the books keep how far each has
-- been worked through, as for the common one. Who knows the schema up to 13 can use this one.
-- serves: 13
ALTER TABLE cursors DROP CONSTRAINT IF EXISTS cursors_kind_check;
ALTER TABLE cursors ADD CONSTRAINT cursors_kind_check CHECK (kind BETWEEN 0 AND 11);
COMMENT ON TABLE cursors IS
    'Places in logs beside the books: 0 the feed of events, 1 the queue, 2 the feed of patterns, '
    '3 where history begins: the position of its first record, with half of the digest of what was '
    'carried over in checksum and source; 4 to 11 topics of producers'' own, in the order in which '
    'they are configured.';
