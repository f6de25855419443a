# SPDX-License-Identifier: MIT
# What a frozen and what a closed wallet still does: every operation, from both sides.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

mall: POST /v1/wallets {"owner": "mall", "currency": "USD", "kind": "merchant"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

POST /v1/deposits {"wallet": $bob.id, "amount": 1000, "bank_transaction_id": "b2"}
  201

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  201

expiring: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 5, "expires_in": 1}
  201

held1: POST /v1/withdrawals {"wallet": $anna.id, "amount": 10}
  201

held2: POST /v1/withdrawals {"wallet": $anna.id, "amount": 20}
  201

== Frozen refuses every debit

PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200 {"status": "frozen"}

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  409 wallet_frozen
  says $anna.id

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "w1"}
  409 wallet_frozen
  says $anna.id

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  409 wallet_frozen
  says $anna.id

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  409 wallet_frozen
  says $anna.id

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  409 wallet_frozen
  says $anna.id

POST /v1/holds/$hold.id/capture {}
  409 wallet_frozen
  says $anna.id

== Frozen takes credits, and lets holds and withdrawals end

POST /v1/deposits {"wallet": $anna.id, "amount": 7, "bank_transaction_id": "b3"}
  201

POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 8}
  201

POST /v1/refunds {"purchase": $buy.id, "amount": 9}
  201 {"credit": {"account": $anna.id}}

POST /v1/withdrawals/$held1.id/settle {"bank_transaction_id": "w1"}
  200 {"status": "settled"}

POST /v1/withdrawals/$held2.id/fail {}
  200 {"status": "failed"}

POST /v1/holds/$hold.id/void {}
  200 {"status": "voided"}

GET /v1/holds/$expiring.id
  200 {"status": "expired"}
  within 2.2

wallet anna balance 914 held 0 status frozen

# Metadata and credit limit may change while it is frozen.
PATCH /v1/wallets/$anna.id {"metadata": {"case": "17"}, "credit_limit": 5}
  200 {"status": "frozen", "credit_limit": 5}

PATCH /v1/wallets/$anna.id {"credit_limit": 0}
  200

== A frozen merchant is paid, but doesn't pay

PATCH /v1/wallets/$shop.id {"status": "frozen"}
  200

POST /v1/purchases {"wallet": $bob.id, "merchant": $shop.id, "amount": 1}
  201

bobs: POST /v1/holds {"wallet": $bob.id, "merchant": $shop.id, "amount": 1}
  201

POST /v1/holds/$bobs.id/capture {}
  201

POST /v1/transfers {"from": $bob.id, "to": $shop.id, "amount": 1}
  201

POST /v1/refunds {"purchase": $buy.id, "amount": 1}
  409 wallet_frozen
  says $shop.id

== Frozen stays frozen through a restart, and goes back to active

kill
wallet anna status frozen balance 914
wallet shop status frozen

PATCH /v1/wallets/$anna.id {"status": "active", "reason": "the telephone was found"}
  200 {"status": "active"}

PATCH /v1/wallets/$shop.id {"status": "active"}
  200

POST /v1/purchases {"wallet": $anna.id, "merchant": $mall.id, "amount": 14}
  201

== Closed only at zero, with nothing held

PATCH /v1/wallets/$anna.id {"status": "closed"}
  409 wallet_not_empty
  says $anna.id "900"

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 900}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 10, "bank_transaction_id": "b4"}
  201

PATCH /v1/wallets/$anna.id {"credit_limit": 100}
  200

below: POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 20}
  201 {"debit": {"balance": -10}}

PATCH /v1/wallets/$anna.id {"status": "closed"}
  409 wallet_not_empty

POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 10}
  201

onhold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 30}
  201

# Balance zero, but thirty are held (on credit).
wallet anna balance 0 held 30 available -30

PATCH /v1/wallets/$anna.id {"status": "closed"}
  409 wallet_not_empty

POST /v1/holds/$onhold.id/void {}
  200

PATCH /v1/wallets/$anna.id {"status": "closed"}
  200 {"status": "closed", "balance": 0}

== Closed refuses debits and credits

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b5"}
  409 wallet_closed
  says $anna.id

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  409 wallet_closed
  says $anna.id

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  409 wallet_closed
  says $anna.id

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  409 wallet_closed
  says $anna.id

POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 1}
  409 wallet_closed
  says $anna.id

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  409 wallet_closed
  says $anna.id

POST /v1/refunds {"purchase": $buy.id, "amount": 1}
  409 wallet_closed
  says $anna.id

GET /v1/wallets/$anna.id
  200 {"status": "closed"}

LIST /v1/wallets?status=closed
  200
  ids $anna.id

== A closed merchant is not paid

open: POST /v1/wallets {"owner": "kiosk", "currency": "USD", "kind": "merchant"}
  201

waiting: POST /v1/holds {"wallet": $bob.id, "merchant": $open.id, "amount": 5}
  201

PATCH /v1/wallets/$open.id {"status": "closed"}
  200

POST /v1/purchases {"wallet": $bob.id, "merchant": $open.id, "amount": 1}
  409 wallet_closed
  says $open.id

POST /v1/holds/$waiting.id/capture {}
  409 wallet_closed
  says $open.id

POST /v1/holds/$waiting.id/void {}
  200 {"status": "voided"}

== Closed goes back to active

kill

wallet anna status closed

PATCH /v1/wallets/$anna.id {"status": "active"}
  200 {"status": "active"}

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b5"}
  201
