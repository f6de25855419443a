-- SPDX-License-Identifier: MIT
-- An atomic batch may move money between wallets of which its shard has neither: then both sides
-- are legs.
ALTER TABLE legs ADD COLUMN IF NOT EXISTS debits boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN legs.debits IS 'Whether it is the side that pays.';
COMMENT ON COLUMN legs.number IS 'Of the wallet that gets or gives money; 0: none does.';
COMMENT ON COLUMN legs.slot IS 'Of that wallet.';
COMMENT ON COLUMN legs.bytes IS 'The record of the payment, as the shard that decided it has it.';
COMMENT ON COLUMN records.kind IS
    'As in `bytes`; 21: one side of a payment of which another shard has the transaction.';
