-- SPDX-License-Identifier: MIT
-- How far logs beside the books have been worked through: the feed by the publisher of events, the
-- queue by workers. A place moves in the commit of what was done up to there, and only from where
-- it stands, so that of two who believe they hold it one comes to nothing.
CREATE TABLE cursors (
    slot smallint NOT NULL CHECK (slot BETWEEN 0 AND 1023),
    kind smallint NOT NULL CHECK (kind IN (0, 1)),
    partitions bigint NOT NULL CHECK (partitions >= 0),
    epoch bigint NOT NULL CHECK (epoch >= 1),
    next bigint NOT NULL CHECK (next >= 0),
    checksum bigint NOT NULL,
    source bigint NOT NULL,
    PRIMARY KEY (slot, kind)
) WITH (fillfactor = 70);
COMMENT ON TABLE cursors IS 'Places in logs beside the books: 0 the feed of events, 1 the queue.';
COMMENT ON COLUMN cursors.epoch IS 'Grows whenever somebody takes the place over.';
INSERT INTO privileges VALUES ('both', 'SELECT', 'cursors'), ('serving', 'INSERT, UPDATE', 'cursors');
