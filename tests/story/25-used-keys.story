# SPDX-License-Identifier: MIT
# An idempotency key that was used for another request refuses before anything of the ledger, also when what that names
# is somewhere else. On several shards this is the one reuse that is not noticed (docs/shards.md).

anna: POST /v1/wallets {"owner": "anna", "currency": "USD", "credit_limit": 100}
  201
bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201
closed: POST /v1/wallets {"owner": "closed", "currency": "USD"}
  201
PATCH /v1/wallets/$closed.id {"status": "closed"}
  200
POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  > Idempotency-Key: k1
  201

== Also when what was asked for first was not there

POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "bank_transaction_id": "b1"}
  > Idempotency-Key: missing
  404 not_found
POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b1"}
  > Idempotency-Key: missing
  422 idempotency_key_reused

== Before not_found, and before what is wrong with another wallet

POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": $bob.id, "amount": 1}
  > Idempotency-Key: k1
  422 idempotency_key_reused
POST /v1/transfers {"from": $closed.id, "to": $bob.id, "amount": 1}
  > Idempotency-Key: k1
  > If-Match: "99"
  422 idempotency_key_reused
POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 1}
  > Idempotency-Key: k1
  422 idempotency_key_reused
