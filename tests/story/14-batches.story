# SPDX-License-Identifier: MIT
# Batches that are not atomic: each operation for itself, in order, under its own key.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

== Every type of operation, each result as if it were alone

all: POST /v1/batches
    {"operations": [
      {"type": "wallet", "owner": "carl", "currency": "USD", "kind": "merchant", "metadata": {"a": "b"}},
      {"type": "deposit", "wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1", "reference": "r"},
      {"type": "purchase", "wallet": $anna.id, "merchant": $shop.id, "amount": 100, "order": "o-1"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 50},
      {"type": "hold", "wallet": $anna.id, "merchant": $shop.id, "amount": 60, "expires_in": 100},
      {"type": "withdrawal", "wallet": $anna.id, "amount": 30},
      {"type": "withdrawal", "wallet": $bob.id, "amount": 10, "bank_transaction_id": "w1"}]}
  200 {"results": [
      {"id": "<wallet id>", "owner": "carl", "kind": "merchant", "status": "active", "version": 1},
      {"type": "deposit", "amount": 1000, "credit": {"account": $anna.id, "balance": 1000, "version": 2}},
      {"type": "purchase", "order": "o-1", "debit": {"balance": 900, "version": 3}, "refunded": 0},
      {"type": "transfer", "debit": {"balance": 850, "version": 4}, "credit": {"balance": 50, "version": 2}},
      {"id": "<hold id>", "status": "open", "amount": 60, "remaining": 60},
      {"status": "pending", "amount": 30},
      {"status": "settled", "amount": 10, "transaction": "<txn id>"}]}
  fields results

wallet anna balance 850 held 90 available 760 version 6

POST /v1/batches
    {"operations": [
      {"type": "refund", "purchase": $all.results.2.id, "amount": 20, "reason": "x"},
      {"type": "capture", "hold": $all.results.4.id, "amount": 10, "final": false},
      {"type": "void", "hold": $all.results.4.id},
      {"type": "settle", "withdrawal": $all.results.5.id, "bank_transaction_id": "w2"},
      {"type": "fail", "withdrawal": $all.results.6.id, "reason": "no"}], "atomic": false}
  200 {"results": [
      {"type": "refund", "purchase": $all.results.2.id, "amount": 20, "reason": "x"},
      {"type": "purchase", "hold": $all.results.4.id, "amount": 10},
      {"id": $all.results.4.id, "status": "voided", "captured": 10},
      {"id": $all.results.5.id, "status": "settled"},
      {"code": "withdrawal_not_pending", "status": 409}]}

wallet anna balance 830 held 0
wallet shop balance 90

# What a batch made is found like anything else.
GET /v1/wallets/$all.results.0.id
  200 $all.results.0

GET /v1/transactions/$all.results.3.id
  200 {"type": "transfer", "amount": 50}

== Each operation sees those before it

POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $bob.id, "to": $shop.id, "amount": 100},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 100},
      {"type": "transfer", "from": $bob.id, "to": $shop.id, "amount": 100},
      {"type": "deposit", "wallet": $bob.id, "amount": 1, "bank_transaction_id": "d1"},
      {"type": "deposit", "wallet": $bob.id, "amount": 1, "bank_transaction_id": "d1"}]}
  200 {"results": [
      {"code": "insufficient_funds", "status": 422},
      {"type": "transfer", "credit": {"balance": 140}},
      {"type": "transfer", "debit": {"balance": 40}},
      {"type": "deposit", "credit": {"balance": 41}},
      {"code": "duplicate_bank_transaction", "status": 409}]}

== An invalid operation is a result, and the others go on

POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": "1"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1, "colour": "red"},
      {"type": "transfer", "from": $anna.id, "amount": 1},
      {"type": "steal", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "change", "status": "frozen"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1, "idempotency_key": ""},
      {"type": "void"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1.0},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1}]}
  200 {"results": [
      {"code": "invalid_request", "status": 400}, {"code": "invalid_request", "status": 400},
      {"code": "invalid_request", "status": 400}, {"code": "invalid_request", "status": 400},
      {"code": "invalid_request", "status": 400}, {"code": "invalid_request", "status": 400},
      {"code": "invalid_request", "status": 400}, {"code": "invalid_request", "status": 400},
      {"code": "invalid_request", "status": 400}, {"type": "transfer", "amount": 1}]}
  says /amount /colour /to /type /hold

wallet bob balance 42

== An operation that is no object is invalid, too

POST /v1/batches {"operations": [17, {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1}]}
  200 {"results": [{"code": "invalid_request", "status": 400}, {"type": "transfer"}]}

== Malformed JSON, and a batch that is none, is 400 for the whole

POST /v1/batches {"operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},]}
  400 invalid_request

POST /v1/batches {"operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1}]
  400 invalid_request

POST /v1/batches {"operations": []}
  400 invalid_request
  pointer /operations

POST /v1/batches {"operations": {}}
  400 invalid_request
  pointer /operations

POST /v1/batches {}
  400 invalid_request
  pointer /operations

POST /v1/batches {"operations": [{"type": "void", "hold": "x"}], "atomic": 1}
  400 invalid_request
  pointer /atomic

POST /v1/batches {"operations": [{"type": "void", "hold": "x"}], "colour": "red"}
  400 invalid_request
  pointer /colour

POST /v1/batches {"operations": $list(10001, {"type": "void"})}
  400 invalid_request
  pointer /operations

wallet bob balance 43

== Ten thousand operations fit

big: POST /v1/batches {"operations": $list(10000, {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1})}
  200

# Anna had 728.
wallet anna balance 0
wallet bob balance 771

GET /v1/transactions/$big.results.727.id
  200 {"type": "transfer"}

POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 700}
  201

== Keys of operations and of the header are one space

first: POST /v1/batches
    {"operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 5, "idempotency_key": "k1"}]}
  200 {"results": [{"type": "transfer", "amount": 5}]}

# The same operation sent alone is a replay.
alone: POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 5}
  > Idempotency-Key: k1
  201 $first.results.0
  replayed

# And in another batch; there the result says so.
POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 6},
      {"amount": 5, "to": $bob.id, "type": "transfer", "idempotency_key": "k1", "from": $anna.id}]}
  200 {"results": [{"amount": 6}, {"id": $first.results.0.id, "amount": 5, "replayed": true}]}

POST /v1/batches
    {"operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 7, "idempotency_key": "k1"}]}
  200 {"results": [{"code": "idempotency_key_reused", "status": 422}]}

# What was sent alone first is a replay in a batch.
void: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 9}
  > Idempotency-Key: k2
  201

POST /v1/holds/$void.id/void {}
  > Idempotency-Key: k3
  200

POST /v1/batches
    {"operations": [
      {"type": "hold", "wallet": $anna.id, "merchant": $shop.id, "amount": 9, "idempotency_key": "k2"},
      {"type": "void", "hold": $void.id, "idempotency_key": "k3"}]}
  200 {"results": [{"id": $void.id, "status": "open", "replayed": true},
                   {"id": $void.id, "status": "voided", "replayed": true}]}

# A remembered refusal is a replay, too.
POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 5000}
  > Idempotency-Key: k4
  422 insufficient_funds

POST /v1/batches
    {"operations": [{"type": "transfer", "from": $bob.id, "to": $anna.id, "amount": 5000, "idempotency_key": "k4"}]}
  200 {"results": [{"code": "insufficient_funds", "status": 422, "replayed": true}]}

== Twice in one batch, the second is a replay

twice: POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 8, "idempotency_key": "k5"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 8, "idempotency_key": "k5"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 9, "idempotency_key": "k5"}]}
  200 {"results": [{"amount": 8}, {"amount": 8, "replayed": true}, {"code": "idempotency_key_reused"}]}

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 8}
  > Idempotency-Key: k5
  201 {"id": $twice.results.1.id}
  replayed

wallet anna balance 681 held 0

== The batch's own key gives each operation one, so a retry does nothing twice

own: POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 10},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 10},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 11, "idempotency_key": "k6"}]}
  > Idempotency-Key: batch-1
  200 {"results": [{"amount": 10}, {"amount": 10}, {"amount": 11}]}

wallet anna balance 650

kill

retry: POST /v1/batches
    {"operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 10},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 10},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 11, "idempotency_key": "k6"}]}
  > Idempotency-Key: batch-1
  200 {"results": [{"id": $own.results.0.id}, {"id": $own.results.1.id}, {"id": $own.results.2.id}]}
  maybe replayed

wallet anna balance 650

== Batches may be as large as 16 MiB

POST /v1/batches
    {"operations": $list(2000, {"type": "deposit", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "x",
     "metadata": {"a": $repeat("a", 512), "b": $repeat("b", 512)}})}
  200

== The books of all that

restart
wallet anna balance 651
