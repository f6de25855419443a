-- SPDX-License-Identifier: MIT
-- Payments that were stopped because the books differ stay so until somebody decides, on every node.
-- serves: 13
ALTER TABLE books ADD COLUMN alarm bytea CHECK (octet_length(alarm) = 64);
COMMENT ON COLUMN books.alarm IS
    'Whether payments are stopped, and by which differences (src/ledger/alarm.h). NULL: no alarm yet.';
