-- SPDX-License-Identifier: MIT
-- Rules that look at payments: the sets of rules that were in force, what each wallet usually does,
-- and findings, which are kept like requests that wait for a second person.
CREATE TABLE rule_sets (
    version bigint PRIMARY KEY CHECK (version >= 1),
    record bigint NOT NULL,
    rules bytea NOT NULL
);
COMMENT ON TABLE rule_sets IS 'Sets of rules for payments; the last one is in force.';
COMMENT ON COLUMN rule_sets.rules IS 'As in its record (src/ledger/rules.h).';
INSERT INTO privileges VALUES ('both', 'SELECT', 'rule_sets'), ('serving', 'INSERT', 'rule_sets');

ALTER TABLE wallets ADD COLUMN habits bytea;
COMMENT ON COLUMN wallets.habits IS
    'What the wallet usually does (src/ledger/habits.h); none while there are no rules.';

ALTER TABLE approvals DROP CONSTRAINT approvals_status_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_status_check CHECK (status BETWEEN 0 AND 5);
CREATE INDEX approvals_due ON approvals (expires_at_ms) WHERE status = 0 AND cause = 2;
COMMENT ON TABLE approvals IS
    'Requests that wait for a second person, and findings of rules: 0 pending, 1 approved, 2 refused '
    'then, 3 rejected, 4 expired, 5 dismissed.';
COMMENT ON COLUMN approvals.cause IS '1 approval, 2 a payment held for review, 3 a finding alone.';
