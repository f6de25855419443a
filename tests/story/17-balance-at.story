# SPDX-License-Identifier: MIT
# What a wallet had at any moment, out of its transactions.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

== Before the first transaction there is nothing

GET /v1/wallets/$anna.id/balance
  200 {"wallet": $anna.id, "currency": "USD", "at": "<time>", "balance": 0, "held": 0, "available": 0}

GET /v1/wallets/$anna.id/balance?at=2001-01-01T00:00:00Z
  200 {"wallet": $anna.id, "currency": "USD", "balance": 0}
  no held available

== After each transaction

wait 0.01
d: POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201
wait 0.01
p: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 300}
  201
wait 0.01
h: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 200}
  201
wait 0.01
c: POST /v1/holds/$h.id/capture {"amount": 50, "final": false}
  201
wait 0.01
w: POST /v1/withdrawals {"wallet": $anna.id, "amount": 100, "bank_transaction_id": "b2"}
  201

GET /v1/wallets/$anna.id/balance
  200 {"balance": 550, "held": 150, "available": 400, "version": 6}
  fields wallet currency at balance version held available

GET /v1/wallets/$anna.id/balance?at=$anna.created_at
  200 {"balance": 0}

GET /v1/wallets/$anna.id/balance?at=$d.created_at
  200 {"wallet": $anna.id, "currency": "USD", "at": "<time>", "balance": 1000, "version": 2}
  fields wallet currency at balance version

GET /v1/wallets/$anna.id/balance?at=$p.created_at
  200 {"balance": 700, "version": 3}
  no held available

# The hold itself is no transaction.
GET /v1/wallets/$anna.id/balance?at=$h.created_at
  200 {"balance": 700, "version": 3}

GET /v1/wallets/$anna.id/balance?at=$c.created_at
  200 {"balance": 650, "version": 5}

GET /v1/wallets/$anna.id/balance?at=$w.created_at
  200 {"balance": 550, "version": 6}

GET /v1/wallets/$anna.id/balance?at=2999-01-01
  200 {"balance": 550, "version": 6}
  no held available

GET /v1/wallets/$shop.id/balance?at=$p.created_at
  200 {"balance": 300, "version": 2}

GET /v1/wallets/$shop.id/balance?at=$c.created_at
  200 {"balance": 350, "version": 3}

== Times are times

GET /v1/wallets/$anna.id/balance?at=now
  400 invalid_request

GET /v1/wallets/$anna.id/balance?at=
  400 invalid_request

GET /v1/wallets/$anna.id/balance?at=1234567890
  400 invalid_request

GET /v1/wallets/$anna.id/balance?when=2026-01-01
  400 invalid_request

== The past is the same after a crash

kill

GET /v1/wallets/$anna.id/balance?at=$p.created_at
  200 {"balance": 700, "version": 3}

GET /v1/wallets/$anna.id/balance?at=$c.created_at
  200 {"balance": 650, "version": 5}

POST /v1/deposits {"wallet": $anna.id, "amount": 5, "bank_transaction_id": "b3"}
  201

GET /v1/wallets/$anna.id/balance?at=$c.created_at
  200 {"balance": 650, "version": 5}

GET /v1/wallets/$anna.id/balance?at=$w.created_at
  200 {"balance": 550, "version": 6}
