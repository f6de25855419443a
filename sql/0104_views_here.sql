-- SPDX-License-Identifier: MIT
-- A slot that is on its way to another shard has its wallets and their statements on both for a
-- while: there they are copied already, and where they were they are still to be deleted. Who adds
-- up what all shards have must meet each of them once: on the shard that owns its slot.
-- serves: 49
CREATE OR REPLACE VIEW balances AS
    SELECT id_text('wallet', w.id) AS wallet, convert_from(w.owner, 'UTF8') AS owner,
           c.code AS currency, c.exponent, w.balance, w.held, w.balance - w.held AS available,
           w.credit_limit, w.version, (ARRAY['active', 'frozen', 'closed'])[w.status + 1] AS status,
           (ARRAY['customer', 'merchant'])[w.kind + 1] AS kind,
           to_timestamp((w.number >> 17) / 1000.0) AS opened_at, w.slot, w.number, w.tier
    FROM wallets w JOIN currencies c ON c.number = w.currency
    WHERE EXISTS (SELECT FROM slots s WHERE s.slot = w.slot AND s.state = 0);
COMMENT ON VIEW balances IS
    'Balances in minor units, as they are now: of wallets whose slots are here.';

CREATE OR REPLACE VIEW statements AS
    SELECT id_text('wallet', w.id) AS wallet, p.number, to_timestamp(p.time_ms / 1000.0) AS at,
           (ARRAY['deposit', 'withdrawal', 'purchase', 'refund', 'transfer', 'adjustment'])[p.type]
               AS type,
           p.amount, p.balance, c.code AS currency, p.record, p.slot, p.wallet AS wallet_number
    FROM postings p JOIN wallets w ON w.slot = p.slot AND w.number = p.wallet
    JOIN currencies c ON c.number = w.currency
    WHERE EXISTS (SELECT FROM slots s WHERE s.slot = w.slot AND s.state = 0);
