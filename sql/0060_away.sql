-- SPDX-License-Identifier: MIT
-- An atomic batch may open, capture or end what lies on another shard. The leg there brings the
-- record; of a refund, to the purchase as well. What is opened has a number of the shard that
-- decided it, so a leg keeps that number from being given twice.
ALTER TABLE legs ADD COLUMN IF NOT EXISTS is_subject boolean NOT NULL DEFAULT false;
ALTER TABLE legs ADD COLUMN IF NOT EXISTS opens bigint NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX IF NOT EXISTS legs_open_once ON legs (slot, opens) WHERE opens <> 0;
COMMENT ON COLUMN legs.is_subject IS 'Whether it is about the purchase that is refunded.';
COMMENT ON COLUMN legs.opens IS
    'The number of the wallet, hold or withdrawal that it opens; 0: it opens none.';
COMMENT ON COLUMN legs.number IS
    'Of the wallet that it changes, or of the purchase that is refunded; 0: of neither.';
COMMENT ON COLUMN legs.slot IS 'Of what it changes or opens.';
COMMENT ON COLUMN legs.bytes IS 'The record, as the shard that decided it has it.';
COMMENT ON INDEX legs_open_once IS 'What is opened from another shard has its number once.';
COMMENT ON COLUMN records.kind IS
    'As in `bytes`; 21: another shard has the thing, and this is what it means here, or what an '
    'atomic batch is answered with.';

-- A leg writes the row of the purchase that it refunds, so that whoever looked before begins again.
ALTER TABLE refunds DROP CONSTRAINT IF EXISTS refunds_refunded_check;
ALTER TABLE refunds ADD CONSTRAINT refunds_refunded_check
    CHECK (refunded BETWEEN 0 AND 9007199254740991);
