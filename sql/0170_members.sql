-- SPDX-License-Identifier: MIT
-- Which shards have ever been opened together with this one. A database that is empty joins these
-- books under its name and takes the slots that were given to it; where somebody had mistaken a
-- url it took those of a shard that has books, and their wallets were gone for whoever used it.
-- So a name that stands here is no newcomer's. Whoever has records was opened, and with it every
-- shard that a slot of it went to.
-- serves: 104
CREATE TABLE IF NOT EXISTS members (shard text PRIMARY KEY);
COMMENT ON TABLE members IS
    'Shards that were opened together with this one: an empty database cannot become one of them.';
COMMENT ON COLUMN members.shard IS 'As in books.';
INSERT INTO members SELECT b.shard FROM books b WHERE b.shard IS NOT NULL AND b.record_count > 0
    UNION SELECT s.shard FROM slots s, books b WHERE b.shard IS NOT NULL AND b.record_count > 0
    AND s.state = 1 AND s.shard IS NOT NULL ON CONFLICT DO NOTHING;
DELETE FROM privileges WHERE on_what = 'members';
INSERT INTO privileges VALUES ('serving', 'SELECT, INSERT', 'members'),
    ('verifying', 'SELECT', 'members');
