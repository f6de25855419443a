-- SPDX-License-Identifier: MIT
-- An owner's data key lies in the slot of its owner and moves with it. Slots move only between
-- shards that are under the same master key, which its tag tells.
-- serves: 49
ALTER TABLE data_keys ADD COLUMN IF NOT EXISTS slot integer CHECK (slot >= 0 AND slot < 1024);
COMMENT ON COLUMN data_keys.slot IS 'The slot of the owner; NULL: see find_slots_of_data_keys().';
CREATE INDEX IF NOT EXISTS data_keys_slot ON data_keys (slot);
COMMENT ON INDEX data_keys_slot IS 'What moves with a slot.';
ALTER TABLE encryption ADD COLUMN IF NOT EXISTS tag bytea CHECK (octet_length(tag) = 16);
COMMENT ON COLUMN encryption.tag IS
    'The same wherever the master key is the same, and tells nothing else; NULL: not known yet.';

-- As ledger/owner.h makes it.
CREATE OR REPLACE FUNCTION owner_mark(seed bigint, owner bytea) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    bytes bytea := int8send(seed);
    turned bytea := '';
    mark bigint := 0;
BEGIN
    FOR i IN REVERSE 7..0 LOOP
        turned := turned || substring(bytes FROM i + 1 FOR 1);
    END LOOP;
    bytes := sha256(turned || owner);
    FOR i IN REVERSE 7..0 LOOP
        mark := (mark << 8) | get_byte(bytes, i);
    END LOOP;
    RETURN CASE WHEN mark = 0 THEN 1 ELSE mark END;
END
$$;
COMMENT ON FUNCTION owner_mark IS 'What stands for an owner in data_keys.';

-- Keys of before, and of books that moved here from a folder, do not tell their slots.
CREATE OR REPLACE FUNCTION find_slots_of_data_keys() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM data_keys WHERE slot IS NULL AND wrapped IS NOT NULL) THEN
        RETURN 0;
    END IF;
    UPDATE data_keys d SET slot = w.slot
    FROM (SELECT DISTINCT x.slot, owner_mark(b.hash_seed, x.owner) AS owner
          FROM wallets x, books b) w
    WHERE d.slot IS NULL AND d.owner = w.owner;
    GET DIAGNOSTICS found = ROW_COUNT;
    RETURN found;
END
$$;
COMMENT ON FUNCTION find_slots_of_data_keys IS 'By the owners of wallets; how many were found.';
