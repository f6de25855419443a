-- SPDX-License-Identifier: MIT
-- Events are delivered to endpoints over HTTP, too; the books keep how far each has been told. An
-- older Florin does not read the records of these places, so none is served.
ALTER TABLE cursors DROP CONSTRAINT IF EXISTS cursors_kind_check;
ALTER TABLE cursors ADD CONSTRAINT cursors_kind_check CHECK (kind BETWEEN 0 AND 12);
COMMENT ON TABLE cursors IS
    'Places in logs beside the books: 0 the feed of events, 1 the queue, 2 the feed of patterns, '
    '3 where history begins: the position of its first record, with half of the digest of what was '
    'carried over in checksum and source; 4 to 11 topics of producers'' own, in the order in which '
    'they are configured; 12 the feed of events for one endpoint of webhooks.';
COMMENT ON COLUMN cursors.slot IS
    '0, or the slot of the queue whose place it is; of kind 12 the place of the endpoint''s name.';
COMMENT ON COLUMN cursors.kind IS
    '0 events, 1 queue, 2 patterns, 3 where history begins, 4 to 11 topics of producers, '
    '12 endpoints of webhooks.';
COMMENT ON COLUMN cursors.partitions IS
    'Into how many parts that log is cut; of kind 12: 1 is delivered to, 2 paused, 3 gone.';
COMMENT ON COLUMN cursors.checksum IS
    'Of what lies before that place; of kind 3 the digest of what was carried over, of kind 12 a '
    'mark of the last decision about it.';
COMMENT ON COLUMN cursors.source IS
    'Which log it is a place in; of kind 12 a hash of the endpoint''s name.';
