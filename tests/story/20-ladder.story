# SPDX-License-Identifier: MIT
# The ladder of refusals: where a request is wrong in two ways, the earlier rung answers.
#   401, 404 or 405 of the path, 403, 413, 415, 400, the idempotency key, not_found, same_wallet, currency_mismatch,
#   not_a_merchant or not_a_purchase, wallet_closed, wallet_frozen (payer before payee), version_mismatch,
#   duplicate_bank_transaction, hold_not_open or withdrawal_not_pending, capture_exceeds_hold or
#   refund_exceeds_purchase, insufficient_funds, balance_limit_exceeded.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201
euro: POST /v1/wallets {"owner": "anna", "currency": "EUR"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
closed: POST /v1/wallets {"owner": "closed", "currency": "USD"}
  201
PATCH /v1/wallets/$closed.id {"status": "closed"}
  200
closed_shop: POST /v1/wallets {"owner": "closed", "currency": "USD", "kind": "merchant"}
  201
PATCH /v1/wallets/$closed_shop.id {"status": "closed"}
  200
frozen: POST /v1/wallets {"owner": "frozen", "currency": "USD"}
  201
in: POST /v1/deposits {"wallet": $frozen.id, "amount": 100, "bank_transaction_id": "b0"}
  201
frozen_hold: POST /v1/holds {"wallet": $frozen.id, "merchant": $shop.id, "amount": 10}
  201
PATCH /v1/wallets/$frozen.id {"status": "frozen"}
  200
POST /v1/deposits {"wallet": $anna.id, "amount": 100, "bank_transaction_id": "b1"}
  201
full: POST /v1/wallets {"owner": "full", "currency": "USD", "kind": "merchant"}
  201
POST /v1/deposits {"wallet": $full.id, "amount": 9007199254740991, "bank_transaction_id": "b2"}
  201

== 401 before everything

as nobody
GET /v1/nowhere
  401 unauthenticated
PUT /v1/wallets {"a": 1}
  401 unauthenticated
POST /v1/transfers {"from": $repeat("x", 66000)}
  401 unauthenticated
POST /v1/transfers nonsense
  > Content-Type: text/plain
  401 unauthenticated

== The path before the permission

as auditor
POST /v1/nowhere {}
  404 not_found
PUT /v1/wallets {}
  405 method_not_allowed

== 403 before 413, 415 and 400

POST /v1/transfers {"from": $repeat("x", 66000)}
  403 forbidden
POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  > Content-Type: text/plain
  403 forbidden
POST /v1/transfers nonsense
  403 forbidden
POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": $bob.id, "amount": 1}
  403 forbidden
POST /v1/batches {"operations": []}
  403 forbidden

as service
POST /v1/keys nonsense
  403 forbidden
DELETE /v1/keys/key_01h455vb4pex5vsknk084sn02q
  403 forbidden
as admin

== 404 and 405 of the path before 413, 415 and 400

POST /v1/nowhere nonsense
  > Content-Type: text/plain
  404 not_found
PUT /v1/wallets nonsense
  > Content-Type: text/plain
  405 method_not_allowed
POST /v1/nowhere $repeat("x", 66000)
  404 not_found

== 413 before 415

POST /v1/transfers $repeat("x", 66000)
  > Content-Type: text/plain
  413 request_too_large

== 415 before 400

POST /v1/transfers nonsense
  > Content-Type: text/plain
  415 unsupported_media_type

POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": $bob.id, "amount": 1}
  > Content-Type: text/plain
  415 unsupported_media_type

== 400 before the idempotency key

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  > Idempotency-Key: k1
  201
POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 0}
  > Idempotency-Key: k1
  400 invalid_request

== The idempotency key before everything of the ledger, see also 25-used-keys.story

POST /v1/transfers {"from": $anna.id, "to": $anna.id, "amount": 1}
  > Idempotency-Key: k1
  422 idempotency_key_reused
POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 1}
  > Idempotency-Key: k1
  > If-Match: "99"
  201
  replayed

== not_found before same_wallet and all that follows

POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  404 not_found
POST /v1/transfers {"from": $frozen.id, "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "currency": "EUR"}
  404 not_found
POST /v1/purchases {"wallet": $closed.id, "merchant": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  > If-Match: "99"
  404 not_found
POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "bank_transaction_id": "b1"}
  404 not_found

== same_wallet before currency_mismatch, not_a_merchant, closed and frozen

POST /v1/transfers {"from": $anna.id, "to": $anna.id, "amount": 1, "currency": "EUR"}
  422 same_wallet
POST /v1/purchases {"wallet": $anna.id, "merchant": $anna.id, "amount": 1}
  422 same_wallet
POST /v1/transfers {"from": $closed.id, "to": $closed.id, "amount": 1}
  422 same_wallet
POST /v1/holds {"wallet": $frozen.id, "merchant": $frozen.id, "amount": 1}
  422 same_wallet

== currency_mismatch before not_a_merchant, not_a_purchase, closed and frozen

POST /v1/purchases {"wallet": $euro.id, "merchant": $bob.id, "amount": 1}
  422 currency_mismatch
POST /v1/purchases {"wallet": $anna.id, "merchant": $bob.id, "amount": 1, "currency": "EUR"}
  422 currency_mismatch
POST /v1/refunds {"purchase": $in.id, "currency": "EUR"}
  422 currency_mismatch
POST /v1/transfers {"from": $closed.id, "to": $euro.id, "amount": 1}
  422 currency_mismatch
POST /v1/deposits {"wallet": $closed.id, "amount": 1, "bank_transaction_id": "b1", "currency": "EUR"}
  422 currency_mismatch
POST /v1/withdrawals {"wallet": $frozen.id, "amount": 1, "currency": "EUR"}
  > If-Match: "99"
  422 currency_mismatch
POST /v1/holds/$frozen_hold.id/capture {"currency": "EUR", "amount": 999}
  422 currency_mismatch

== not_a_merchant and not_a_purchase before closed and frozen

POST /v1/purchases {"wallet": $closed.id, "merchant": $bob.id, "amount": 1}
  422 not_a_merchant
POST /v1/purchases {"wallet": $anna.id, "merchant": $closed.id, "amount": 1}
  422 not_a_merchant
POST /v1/holds {"wallet": $frozen.id, "merchant": $bob.id, "amount": 1}
  > If-Match: "99"
  422 not_a_merchant
POST /v1/refunds {"purchase": $in.id}
  > If-Match: "99"
  422 not_a_purchase

== wallet_closed before wallet_frozen, payer before payee

POST /v1/transfers {"from": $frozen.id, "to": $closed.id, "amount": 1}
  409 wallet_closed
  says $closed.id
POST /v1/purchases {"wallet": $frozen.id, "merchant": $closed_shop.id, "amount": 1}
  409 wallet_closed
  says $closed_shop.id
POST /v1/purchases {"wallet": $closed.id, "merchant": $closed_shop.id, "amount": 1}
  409 wallet_closed
  says $closed.id
POST /v1/transfers {"from": $closed.id, "to": $frozen.id, "amount": 1}
  409 wallet_closed
  says $closed.id

== closed and frozen before version_mismatch, duplicate_bank_transaction and funds

POST /v1/deposits {"wallet": $closed.id, "amount": 1, "bank_transaction_id": "b1"}
  > If-Match: "99"
  409 wallet_closed
POST /v1/withdrawals {"wallet": $closed.id, "amount": 1, "bank_transaction_id": "b1"}
  409 wallet_closed
POST /v1/withdrawals {"wallet": $frozen.id, "amount": 1, "bank_transaction_id": "b1"}
  > If-Match: "99"
  409 wallet_frozen
POST /v1/transfers {"from": $frozen.id, "to": $bob.id, "amount": 100000}
  > If-Match: "99"
  409 wallet_frozen
POST /v1/holds/$frozen_hold.id/capture {"amount": 100000}
  > If-Match: "99"
  409 wallet_frozen

== version_mismatch before duplicate_bank_transaction, states and funds

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b1"}
  > If-Match: "99"
  412 version_mismatch
POST /v1/withdrawals {"wallet": $anna.id, "amount": 100000, "bank_transaction_id": "b1"}
  > If-Match: "99"
  412 version_mismatch
POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 100000}
  > If-Match: "99"
  412 version_mismatch

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 10}
  201
POST /v1/holds/$hold.id/capture {"amount": 11}
  > If-Match: "99"
  412 version_mismatch
POST /v1/holds/$hold.id/capture {}
  201
POST /v1/holds/$hold.id/capture {}
  > If-Match: "99"
  412 version_mismatch

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 20}
  201
POST /v1/refunds {"purchase": $buy.id, "amount": 21}
  > If-Match: "99"
  412 version_mismatch

PATCH /v1/wallets/$anna.id {"status": "closed"}
  > If-Match: "99"
  412 version_mismatch

== duplicate_bank_transaction before withdrawal_not_pending, funds and bounds

out: POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "w1"}
  201
POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w1"}
  409 duplicate_bank_transaction
POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w2"}
  409 withdrawal_not_pending
  says $anna.id
POST /v1/withdrawals {"wallet": $anna.id, "amount": 100000, "bank_transaction_id": "w1"}
  409 duplicate_bank_transaction
POST /v1/deposits {"wallet": $full.id, "amount": 1, "bank_transaction_id": "b1"}
  409 duplicate_bank_transaction

== hold_not_open before capture_exceeds_hold

POST /v1/holds/$hold.id/capture {"amount": 11}
  409 hold_not_open
  says $anna.id
POST /v1/holds/$hold.id/void {}
  409 hold_not_open
  says $anna.id

== refund_exceeds_purchase before insufficient_funds and bounds

POST /v1/transfers {"from": $shop.id, "to": $bob.id, "amount": 30}
  201
POST /v1/refunds {"purchase": $buy.id, "amount": 21}
  422 refund_exceeds_purchase
  says $anna.id
POST /v1/refunds {"purchase": $buy.id, "amount": 20}
  422 insufficient_funds

== capture_exceeds_hold before balance_limit_exceeded, insufficient_funds before it, too

second: POST /v1/holds {"wallet": $bob.id, "merchant": $full.id, "amount": 5}
  201
POST /v1/holds/$second.id/capture {"amount": 6}
  422 capture_exceeds_hold
  says $bob.id
POST /v1/holds/$second.id/capture {"amount": 5}
  422 balance_limit_exceeded
POST /v1/purchases {"wallet": $bob.id, "merchant": $full.id, "amount": 100000}
  422 insufficient_funds
  says $bob.id
POST /v1/purchases {"wallet": $bob.id, "merchant": $full.id, "amount": 1}
  422 balance_limit_exceeded
  says $full.id
