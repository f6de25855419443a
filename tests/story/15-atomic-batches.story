# SPDX-License-Identifier: MIT
# Atomic batches: all or nothing, one commit, one answer.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

fees: POST /v1/wallets {"owner": "platform", "currency": "USD", "kind": "merchant"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

== A payment and its fee

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "purchase", "wallet": $anna.id, "merchant": $shop.id, "amount": 100, "order": "o"},
      {"type": "transfer", "from": $shop.id, "to": $fees.id, "amount": 3}]}
  200 {"results": [
      {"type": "purchase", "debit": {"balance": 900, "version": 3}, "credit": {"balance": 100, "version": 2}},
      {"type": "transfer", "debit": {"balance": 97, "version": 3}, "credit": {"balance": 3, "version": 2}}]}

== The first operation that is refused undoes all

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 500},
      {"type": "deposit", "wallet": $bob.id, "amount": 5, "bank_transaction_id": "b2"},
      {"type": "hold", "wallet": $bob.id, "merchant": $shop.id, "amount": 7},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 401},
      {"type": "transfer", "from": $anna.id, "to": $anna.id, "amount": 1}]}
  422 insufficient_funds {"operation": 3}
  says $anna.id

wallet anna balance 900 held 0 version 3
wallet bob balance 0 held 0 version 1

LIST /v1/holds?wallet=$bob.id
  200
  count 0

LIST /v1/wallets/$bob.id/transactions
  200
  count 0

# Not even the bank id was used.
POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "b2"}
  201

== Or invalid

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 0}]}
  400 invalid_request {"operation": 1}
  says /amount

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $bob.id, "to": $anna.id, "amount": 5000},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 0}]}
  422 insufficient_funds {"operation": 0}

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1}]}
  404 not_found {"operation": 0}

wallet anna balance 900 version 3

== The keys of undone operations stay unused

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1, "idempotency_key": "k1"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 5000, "idempotency_key": "k2"}]}
  422 insufficient_funds {"operation": 1}

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 2}
  > Idempotency-Key: k1
  201 {"amount": 2}

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 3}
  > Idempotency-Key: k2
  201 {"amount": 3}

wallet anna balance 895

== One that is remembered as refused undoes all, too

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 5000}
  > Idempotency-Key: k3
  422 insufficient_funds

POST /v1/deposits {"wallet": $anna.id, "amount": 5000, "bank_transaction_id": "b3"}
  201

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 5000, "idempotency_key": "k3"}]}
  422 insufficient_funds {"operation": 1}

wallet anna balance 5895

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 99, "idempotency_key": "k1"}]}
  422 idempotency_key_reused {"operation": 1}

wallet anna balance 5895

== One that is remembered as done is a replay among the others

mixed: POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 2, "idempotency_key": "k1"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 95, "idempotency_key": "k4"},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 95, "idempotency_key": "k4"}]}
  200 {"results": [{"amount": 2, "replayed": true}, {"amount": 95}, {"amount": 95, "replayed": true}]}

wallet anna balance 5800

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 95}
  > Idempotency-Key: k4
  201 {"id": $mixed.results.1.id}
  replayed

== The batch's own key remembers the whole, byte for byte

whole: POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 100},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 200}]}
  > Idempotency-Key: batch-1
  200

POST /v1/batches
    {"operations": [
      {"amount": 100, "type": "transfer", "from": $anna.id, "to": $bob.id},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 200}], "atomic": true}
  > Idempotency-Key: batch-1
  same as whole
  replayed

wallet anna balance 5500

POST /v1/batches
    {"atomic": true, "operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 100}]}
  > Idempotency-Key: batch-1
  422 idempotency_key_reused

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 100}
  > Idempotency-Key: batch-1
  422 idempotency_key_reused

# Also its refusal.
refused: POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 6000}]}
  > Idempotency-Key: batch-2
  422 insufficient_funds {"operation": 1}

POST /v1/deposits {"wallet": $anna.id, "amount": 6000, "bank_transaction_id": "b4"}
  201

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 6000}]}
  > Idempotency-Key: batch-2
  same as refused
  replayed

# But not that it was invalid.
POST /v1/batches
    {"atomic": true, "operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 0}]}
  > Idempotency-Key: batch-3
  400 invalid_request

POST /v1/batches
    {"atomic": true, "operations": [{"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 500}]}
  > Idempotency-Key: batch-3
  200

wallet anna balance 11000

== After a crash as before

kill

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 100},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 200}]}
  > Idempotency-Key: batch-1
  same as whole
  replayed

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1},
      {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 6000}]}
  > Idempotency-Key: batch-2
  same as refused
  replayed

wallet anna balance 11000 held 0

== A hold is made, captured and refunded in one commit

POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "wallet", "owner": "new", "currency": "USD"},
      {"type": "deposit", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "b5"},
      {"type": "withdrawal", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "b6"}]}
  200

# Within one batch a bank id is taken like anywhere.
POST /v1/batches
    {"atomic": true, "operations": [
      {"type": "deposit", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "b7"},
      {"type": "withdrawal", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "b7"}]}
  409 duplicate_bank_transaction {"operation": 1}
  says "twice in this batch"

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b7"}
  201

== Ten thousand in one commit, or none of them

POST /v1/batches {"atomic": true, "operations": $list(10000, {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 2})}
  422 insufficient_funds {"operation": 5500}

wallet anna balance 11001

POST /v1/batches {"atomic": true, "operations": $list(10000, {"type": "transfer", "from": $anna.id, "to": $bob.id, "amount": 1})}
  200

wallet anna balance 1001

restart
wallet anna balance 1001
