-- SPDX-License-Identifier: MIT
-- Withdrawals by time, for lists with `from` and `to`. Who knows the schema up to 3 can use it.
-- serves: 3
COMMENT ON COLUMN withdrawals.created_ms IS 'When it was asked for.';
-- alone
CREATE INDEX CONCURRENTLY IF NOT EXISTS withdrawals_created ON withdrawals (created_ms, number);
