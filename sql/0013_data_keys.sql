-- SPDX-License-Identifier: MIT
-- Keys of encrypted free texts, each owner's wrapped by the master key, which is nowhere here.
-- Records say only the number of theirs, so a key that is destroyed leaves the books as they are.
CREATE TABLE IF NOT EXISTS encryption (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation bigint NOT NULL CHECK (generation >= 1),
    plain_until_ms bigint NOT NULL CHECK (plain_until_ms >= 0),
    proof bytea NOT NULL CHECK (octet_length(proof) = 72)
);
COMMENT ON TABLE encryption IS 'One row once free texts are encrypted.';
COMMENT ON COLUMN encryption.generation IS 'Grows when the master key is exchanged.';
COMMENT ON COLUMN encryption.plain_until_ms IS 'Texts written before were never encrypted; 0: all are.';
COMMENT ON COLUMN encryption.proof IS 'Shows whether somebody has the master key.';
CREATE TABLE IF NOT EXISTS data_keys (
    number bigint PRIMARY KEY CHECK (number > 0),
    owner bigint NOT NULL,
    wrapped bytea CHECK (octet_length(wrapped) = 72)
);
CREATE UNIQUE INDEX IF NOT EXISTS data_keys_owner ON data_keys (owner) WHERE wrapped IS NOT NULL;
COMMENT ON TABLE data_keys IS 'Random keys, one in use per owner.';
COMMENT ON COLUMN data_keys.owner IS 'The mark of the owner: 64 bits of a keyed hash.';
COMMENT ON COLUMN data_keys.wrapped IS 'NULL: destroyed, and with it all texts under this key.';
DELETE FROM privileges WHERE on_what IN ('encryption', 'data_keys');
INSERT INTO privileges VALUES ('serving', 'SELECT, INSERT, UPDATE', 'encryption'),
    ('serving', 'SELECT, INSERT, UPDATE', 'data_keys');
