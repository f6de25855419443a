-- SPDX-License-Identifier: MIT
-- What each column and index is, for people who read this schema; and adjustments have a name in
-- their statements. Comments lock nobody out, and nothing changes that a Florin sees.
-- serves: 13

CREATE OR REPLACE VIEW statements AS
    SELECT id_text('wallet', w.id) AS wallet, p.number, to_timestamp(p.time_ms / 1000.0) AS at,
           (ARRAY['deposit', 'withdrawal', 'purchase', 'refund', 'transfer', 'adjustment'])[p.type]
               AS type,
           p.amount, p.balance, c.code AS currency, p.record, p.slot, p.wallet AS wallet_number
    FROM postings p JOIN wallets w ON w.slot = p.slot AND w.number = p.wallet
    JOIN currencies c ON c.number = w.currency;

COMMENT ON COLUMN approvals.slot IS 'The home slot of the wallet.';
COMMENT ON COLUMN approvals.id IS 'What the API calls it.';
COMMENT ON COLUMN approvals.wallet IS 'The wallet whose money waits.';
COMMENT ON COLUMN approvals.principal IS 'Who asked.';
COMMENT ON COLUMN approvals.expires_at_ms IS 'When it is refused by itself.';
COMMENT ON COLUMN approvals.status IS
    '0 pending, 1 approved, 2 refused when it was decided again, 3 rejected, 4 expired, 5 '
    'dismissed.';

COMMENT ON COLUMN balances.wallet IS 'The wallet''s id, as in the API.';
COMMENT ON COLUMN balances.owner IS 'Whose it is.';
COMMENT ON COLUMN balances.currency IS 'Code of the currency.';
COMMENT ON COLUMN balances.exponent IS
    'Digits behind the point: 2 means that amounts are in hundredths.';
COMMENT ON COLUMN balances.balance IS 'What is there, with what is held.';
COMMENT ON COLUMN balances.held IS 'What of it is held for somebody.';
COMMENT ON COLUMN balances.available IS 'balance less held.';
COMMENT ON COLUMN balances.credit_limit IS 'How far below zero the balance may go.';
COMMENT ON COLUMN balances.version IS 'Counts the changes of the wallet.';
COMMENT ON COLUMN balances.status IS 'active, frozen or closed.';
COMMENT ON COLUMN balances.kind IS 'customer or merchant.';
COMMENT ON COLUMN balances.opened_at IS 'When it was opened.';
COMMENT ON COLUMN balances.slot IS 'For joins: the wallet''s slot.';
COMMENT ON COLUMN balances.number IS 'For joins: the wallet''s number.';

COMMENT ON COLUMN bank_ids.slot IS 'A hash of the bank id.';
COMMENT ON COLUMN bank_ids.bank_id IS 'What the bank calls the transaction, unique per currency.';
COMMENT ON COLUMN bank_ids.currency IS 'Code of its currency.';
COMMENT ON COLUMN bank_ids.record IS 'The transaction that has it.';

COMMENT ON COLUMN books.is_the_one IS 'There is one row.';
COMMENT ON COLUMN books.id IS 'The name of these books.';
COMMENT ON COLUMN books.hash_seed IS 'Seed of the marks that stand for owners.';
COMMENT ON COLUMN books.created_ms IS 'When the books were made.';
COMMENT ON COLUMN books.round_count IS 'Rounds since then.';
COMMENT ON COLUMN books.record_count IS 'Records since then.';
COMMENT ON COLUMN books.wallet_count IS 'Wallets ever opened.';
COMMENT ON COLUMN books.hold_count IS 'Holds ever made.';
COMMENT ON COLUMN books.hold_open_count IS 'Holds that are open.';
COMMENT ON COLUMN books.withdrawal_count IS 'Withdrawals ever asked for.';
COMMENT ON COLUMN books.key_count IS 'API keys ever made.';
COMMENT ON COLUMN books.transaction_count IS 'Transactions ever made.';
COMMENT ON COLUMN books.keys_version IS 'Grows with each change of a key, so that nodes notice.';

COMMENT ON COLUMN currencies.number IS 'What wallets call it.';
COMMENT ON COLUMN currencies.code IS 'ISO 4217, or a name of one''s own.';
COMMENT ON COLUMN currencies.exponent IS 'Digits behind the point; once used it stays.';
COMMENT ON COLUMN currencies.wallet_count IS 'Wallets in it.';
COMMENT ON COLUMN currencies.deposits IS 'All that came in, in minor units.';
COMMENT ON COLUMN currencies.withdrawals IS 'All that went out, in minor units.';

COMMENT ON COLUMN cursors.slot IS '0, or the slot of the queue whose place it is.';
COMMENT ON COLUMN cursors.kind IS
    '0 events, 1 queue, 2 patterns, 3 where history begins, 4 to 11 topics of producers.';
COMMENT ON COLUMN cursors.partitions IS 'Into how many parts that log is cut.';
COMMENT ON COLUMN cursors.next IS 'The place that is worked on next.';
COMMENT ON COLUMN cursors.checksum IS
    'Of what lies before that place; of kind 3 the digest of what was carried over.';
COMMENT ON COLUMN cursors.source IS 'Which log it is a place in.';

COMMENT ON COLUMN data_keys.number IS 'Counts the keys from 1; sealed texts name it.';

COMMENT ON COLUMN encryption.one IS 'There is one row.';

COMMENT ON COLUMN extent.is_the_one IS 'There is one row.';
COMMENT ON COLUMN extent.end_record IS 'Partitions reach to this number.';
COMMENT ON COLUMN extent.analysed_ms IS 'When statistics of the parents were made last.';

COMMENT ON COLUMN holds.slot IS 'The slot of the wallet.';
COMMENT ON COLUMN holds.number IS
    'Of the record that made it, or what its id says when it moved in.';
COMMENT ON COLUMN holds.id IS 'What the API calls it.';
COMMENT ON COLUMN holds.wallet IS 'Whose money is held.';
COMMENT ON COLUMN holds.merchant IS 'For whom.';
COMMENT ON COLUMN holds.amount IS 'What was asked for.';
COMMENT ON COLUMN holds.captured IS 'What of it was taken so far.';
COMMENT ON COLUMN holds.expires_at_ms IS 'When it ends by itself.';
COMMENT ON COLUMN holds.status IS '0 open, 1 captured, 2 voided, 3 expired.';
COMMENT ON COLUMN holds.order_id IS 'The client''s own name of the order; NULL: none.';

COMMENT ON COLUMN idempotency.key IS 'Digest of who asked and the key that he sent.';
COMMENT ON COLUMN idempotency.slot IS 'The slot of the record.';
COMMENT ON COLUMN idempotency.record IS 'The record that answers it.';

COMMENT ON COLUMN kept_records.slot IS 'As in records.';
COMMENT ON COLUMN kept_records.number IS 'As in records.';
COMMENT ON COLUMN kept_records.bytes IS 'As in records.';

COMMENT ON COLUMN keys.number IS 'Counts the keys from 1.';
COMMENT ON COLUMN keys.id IS 'What the API calls it.';
COMMENT ON COLUMN keys.secret_hash IS 'SHA-256 of the secret; the secret itself is nowhere.';
COMMENT ON COLUMN keys.expires_at_ms IS 'When it ends by itself; 0: never.';
COMMENT ON COLUMN keys.role IS 'Number of its role.';
COMMENT ON COLUMN keys.revoked IS 'Whether somebody has ended it.';
COMMENT ON COLUMN keys.previous_until_ms IS 'Until when the secret before also opens the door.';

COMMENT ON COLUMN lineage.system_identifier IS 'Of the cluster.';
COMMENT ON COLUMN lineage.timeline IS 'Of the cluster''s history that began with a promotion.';
COMMENT ON COLUMN lineage.seen_at IS 'When the first node wrote there.';

COMMENT ON COLUMN migrations.number IS 'Of the file in sql/.';
COMMENT ON COLUMN migrations.name IS 'Of the file in sql/.';
COMMENT ON COLUMN migrations.serves IS
    'The oldest Florin that still can use the schema, by the newest migration that it knows; '
    'NULL: only one that knows this.';
COMMENT ON COLUMN migrations.applied_at IS 'When it was applied.';

COMMENT ON COLUMN opening_balances.wallet IS 'The wallet''s id, as in the API.';
COMMENT ON COLUMN opening_balances.at IS 'Where history begins.';
COMMENT ON COLUMN opening_balances.balance IS 'What it had then.';
COMMENT ON COLUMN opening_balances.held IS 'What of it was held then.';
COMMENT ON COLUMN opening_balances.slot IS 'For joins: the wallet''s slot.';
COMMENT ON COLUMN opening_balances.number IS 'For joins: the wallet''s number.';
COMMENT ON COLUMN opening_balances.line IS 'The first record that is still there.';

COMMENT ON COLUMN openings.line IS 'The first record that is still there.';
COMMENT ON COLUMN openings.what IS 'Which kind of sum this is (watch/opening.h).';
COMMENT ON COLUMN openings.slot IS 'As the kind of sum says.';

COMMENT ON COLUMN postings.slot IS 'The slot of the wallet.';
COMMENT ON COLUMN postings.wallet IS 'The wallet''s number.';
COMMENT ON COLUMN postings.record IS 'The transaction.';
COMMENT ON COLUMN postings.time_ms IS 'Its time.';
COMMENT ON COLUMN postings.type IS
    '1 deposit, 2 withdrawal, 3 purchase, 4 refund, 5 transfer, 6 adjustment.';
COMMENT ON COLUMN postings.amount IS 'What came (+) or went (-).';
COMMENT ON COLUMN postings.balance IS 'What was there afterwards.';
COMMENT ON COLUMN postings.held IS 'What of it was held afterwards.';
COMMENT ON COLUMN postings.version IS 'Of the wallet, afterwards.';

COMMENT ON COLUMN privileges.purpose IS 'For which kind of role: serving, verifying, or both.';
COMMENT ON COLUMN privileges.privilege IS 'As in GRANT.';
COMMENT ON COLUMN privileges.on_what IS 'As in GRANT.';

COMMENT ON COLUMN records.number IS
    'Its round''s milliseconds shifted left by 17 bits, and counted up from there.';
COMMENT ON COLUMN records.time_ms IS 'The time of its round.';
COMMENT ON COLUMN records.kind IS
    'What it is about: 2 a transaction; the others are in ledger/record.h.';
COMMENT ON COLUMN records.type IS 'Of a transaction, as in postings.';
COMMENT ON COLUMN records.principal IS 'Who did it.';
COMMENT ON COLUMN records.order_id IS 'The client''s own name of the order; NULL: none.';
COMMENT ON COLUMN records.bytes IS 'The whole record, as in the journal of the embedded engine.';

COMMENT ON COLUMN refunds.slot IS 'The slot of the purchase.';
COMMENT ON COLUMN refunds.record IS 'The purchase.';
COMMENT ON COLUMN refunds.refunded IS 'How much of it has been given back.';

COMMENT ON COLUMN roles.role IS 'A role of this cluster.';
COMMENT ON COLUMN roles.purpose IS 'serving or verifying.';

COMMENT ON COLUMN rounds.number IS 'Counts the rounds from 1.';
COMMENT ON COLUMN rounds.token IS 'Made by the node for this round alone.';
COMMENT ON COLUMN rounds.time_ms IS 'The time of everything in it.';
COMMENT ON COLUMN rounds.first_record IS 'The number of its first record.';
COMMENT ON COLUMN rounds.record_count IS 'How many it has.';
COMMENT ON COLUMN rounds.chain IS
    'SHA-256 over the chain of the round before and what its records'' chains became.';

COMMENT ON COLUMN rule_sets.version IS 'Counts the sets from 1.';
COMMENT ON COLUMN rule_sets.record IS 'The record that put it in force.';

COMMENT ON COLUMN slots.slot IS '0 to 1023: a hash of the owner.';
COMMENT ON COLUMN slots.chain IS 'SHA-256 over the chain before and the last record''s bytes.';
COMMENT ON COLUMN slots.last_record IS 'The last record of the slot; 0: none.';
COMMENT ON COLUMN slots.record_count IS 'How many records it has.';
COMMENT ON COLUMN slots.round IS 'The round that wrote the last one.';

COMMENT ON COLUMN statements.wallet IS 'The wallet''s id, as in the API.';
COMMENT ON COLUMN statements.number IS 'Counts the wallet''s transactions from 1.';
COMMENT ON COLUMN statements.at IS 'When it was.';
COMMENT ON COLUMN statements.type IS
    'deposit, withdrawal, purchase, refund, transfer or adjustment.';
COMMENT ON COLUMN statements.amount IS 'What came (+) or went (-), in minor units.';
COMMENT ON COLUMN statements.balance IS 'What was there afterwards.';
COMMENT ON COLUMN statements.currency IS 'Code of the currency.';
COMMENT ON COLUMN statements.record IS 'For joins: the record.';
COMMENT ON COLUMN statements.slot IS 'For joins: the wallet''s slot.';
COMMENT ON COLUMN statements.wallet_number IS 'For joins: the wallet''s number.';

COMMENT ON COLUMN wallets.slot IS 'A hash of the owner.';
COMMENT ON COLUMN wallets.number IS
    'Of the record that opened it, or what its id says when it moved in.';
COMMENT ON COLUMN wallets.id IS 'What the API calls it.';
COMMENT ON COLUMN wallets.owner IS 'Whose it is.';
COMMENT ON COLUMN wallets.currency IS 'Number of its currency.';
COMMENT ON COLUMN wallets.balance IS 'What is there, with what is held, in minor units.';
COMMENT ON COLUMN wallets.held IS 'What of it is held for somebody.';
COMMENT ON COLUMN wallets.credit_limit IS 'How far below zero the balance may go.';
COMMENT ON COLUMN wallets.version IS
    'Counts its changes from 1; a write that meets another one is not committed.';
COMMENT ON COLUMN wallets.transaction_count IS 'How many transactions it has.';
COMMENT ON COLUMN wallets.level_64 IS
    'The record of its last transaction whose number is a multiple of 64, for jumps into the '
    'past.';
COMMENT ON COLUMN wallets.level_4096 IS 'The same of 4,096.';
COMMENT ON COLUMN wallets.level_262144 IS 'The same of 262,144.';
COMMENT ON COLUMN wallets.spent_day_sum IS 'What was spent on that day, where limits count.';
COMMENT ON COLUMN wallets.spent_month_sum IS 'What was spent in its month.';

COMMENT ON COLUMN withdrawals.slot IS 'The slot of the wallet.';
COMMENT ON COLUMN withdrawals.number IS
    'Of the record that made it, or what its id says when it moved in.';
COMMENT ON COLUMN withdrawals.id IS 'What the API calls it.';
COMMENT ON COLUMN withdrawals.wallet IS 'Whose money it is.';
COMMENT ON COLUMN withdrawals.amount IS 'How much.';
COMMENT ON COLUMN withdrawals.status IS '0 pending, 1 settled, 2 failed.';
COMMENT ON COLUMN withdrawals.bank_id IS 'What the bank calls the payment; NULL: not yet.';

COMMENT ON INDEX approvals_due IS 'Held payments whose time is over.';
COMMENT ON INDEX approvals_number IS 'All that wait, newest first.';
COMMENT ON INDEX currencies_code_key IS 'A currency has one number.';
COMMENT ON INDEX data_keys_owner IS 'The key in use of an owner.';
COMMENT ON INDEX holds_merchant IS 'Holds for a merchant, newest first.';
COMMENT ON INDEX holds_number IS 'All holds, newest first.';
COMMENT ON INDEX holds_order IS 'Holds of an order.';
COMMENT ON INDEX holds_wallet IS 'Holds of a wallet, newest first.';
COMMENT ON INDEX keys_secret_hash_key IS 'A secret belongs to one key.';
COMMENT ON INDEX records_order IS 'Transactions of an order.';
COMMENT ON INDEX withdrawals_bank IS 'Withdrawals by the bank''s name.';
COMMENT ON INDEX withdrawals_created IS 'Withdrawals by time.';
COMMENT ON INDEX withdrawals_number IS 'All withdrawals, newest first.';
COMMENT ON INDEX withdrawals_wallet IS 'Withdrawals of a wallet, newest first.';
