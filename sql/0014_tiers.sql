-- SPDX-License-Identifier: MIT
-- A wallet's tier: which limits on spending it has, beside its kind.
ALTER TABLE wallets ADD COLUMN IF NOT EXISTS tier smallint NOT NULL DEFAULT 0
    CHECK (tier BETWEEN 0 AND 15);
COMMENT ON COLUMN wallets.tier IS 'Which limits on spending it has; 0: those of its kind.';

CREATE OR REPLACE VIEW balances AS
    SELECT id_text('wallet', w.id) AS wallet, convert_from(w.owner, 'UTF8') AS owner,
           c.code AS currency, c.exponent, w.balance, w.held, w.balance - w.held AS available,
           w.credit_limit, w.version, (ARRAY['active', 'frozen', 'closed'])[w.status + 1] AS status,
           (ARRAY['customer', 'merchant'])[w.kind + 1] AS kind,
           to_timestamp((w.number >> 17) / 1000.0) AS opened_at, w.slot, w.number, w.tier
    FROM wallets w JOIN currencies c ON c.number = w.currency;
COMMENT ON COLUMN balances.tier IS 'Which limits on spending it has; 0: those of its kind.';
