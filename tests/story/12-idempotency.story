# SPDX-License-Identifier: MIT
# The same key with the same request is the same operation: one effect, one answer, for ever.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  > Idempotency-Key: wallet-anna
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

== Every write is replayed byte for byte

POST /v1/wallets {"owner": "anna", "currency": "USD"}
  > Idempotency-Key: wallet-anna
  same as anna
  replayed
  < ETag: "1"

first: POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1", "reference": "r"}
  > Idempotency-Key: deposit-1
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1", "reference": "r"}
  > Idempotency-Key: deposit-1
  same as first
  replayed

wallet anna balance 1000 version 2

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  201

refund: POST /v1/refunds {"purchase": $buy.id, "amount": 10}
  > Idempotency-Key: refund-1
  201

POST /v1/refunds {"purchase": $buy.id, "amount": 10}
  > Idempotency-Key: refund-1
  same as refund
  replayed

# The purchase is answered as it was then: nothing refunded.
POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  201 {"refunded": 0}
  same as buy
  replayed

transfer: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: transfer-1
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: transfer-1
  same as transfer
  replayed

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  > Idempotency-Key: hold-1
  201

capture: POST /v1/holds/$hold.id/capture {"amount": 20, "final": false}
  > Idempotency-Key: capture-1
  201

POST /v1/holds/$hold.id/capture {"amount": 20, "final": false}
  > Idempotency-Key: capture-1
  same as capture
  replayed

voided: POST /v1/holds/$hold.id/void {}
  > Idempotency-Key: void-1
  200

POST /v1/holds/$hold.id/void {}
  > Idempotency-Key: void-1
  same as voided
  replayed

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  > Idempotency-Key: hold-1
  201 {"status": "open"}
  same as hold
  replayed

out: POST /v1/withdrawals {"wallet": $anna.id, "amount": 5}
  > Idempotency-Key: out-1
  201

settle: POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w1"}
  > Idempotency-Key: settle-1
  200

POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w1"}
  > Idempotency-Key: settle-1
  same as settle
  replayed

POST /v1/withdrawals {"wallet": $anna.id, "amount": 5}
  > Idempotency-Key: out-1
  201 {"status": "pending"}
  same as out
  replayed

out2: POST /v1/withdrawals {"wallet": $anna.id, "amount": 5}
  > Idempotency-Key: out-2
  201

fail: POST /v1/withdrawals/$out2.id/fail {"reason": "no"}
  > Idempotency-Key: fail-1
  200

POST /v1/withdrawals/$out2.id/fail {"reason": "no"}
  > Idempotency-Key: fail-1
  same as fail
  replayed

change: PATCH /v1/wallets/$anna.id {"metadata": {"a": "1"}}
  > Idempotency-Key: patch-1
  200

PATCH /v1/wallets/$anna.id {"metadata": {"a": "2"}}
  200

PATCH /v1/wallets/$anna.id {"metadata": {"a": "1"}}
  > Idempotency-Key: patch-1
  200 {"metadata": {"a": "1"}}
  same as change
  replayed

now: GET /v1/wallets/$anna.id
  200 {"metadata": {"a": "2"}, "balance": 884, "held": 0}

== Replays are no new version and no new money

wallet shop balance 111 version 5

== Whatever has happened since

PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  same as buy
  replayed

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-2
  409 wallet_frozen

PATCH /v1/wallets/$anna.id {"status": "active"}
  200

== With another request the key is refused, and stays what it was

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 101}
  > Idempotency-Key: purchase-1
  422 idempotency_key_reused

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100, "reference": "x"}
  > Idempotency-Key: purchase-1
  422 idempotency_key_reused

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  422 idempotency_key_reused

POST /v1/wallets {"owner": "anna", "currency": "USD"}
  > Idempotency-Key: purchase-1
  422 idempotency_key_reused

PATCH /v1/wallets/$shop.id {"metadata": {"a": "1"}}
  > Idempotency-Key: patch-1
  422 idempotency_key_reused

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  same as buy
  replayed

== The same request is the same fields: their order, white space, escapes, headers and defaults don't count

POST /v1/purchases {"amount":100,"merchant":$shop.id,"wallet":$anna.id}
  > Idempotency-Key: purchase-1
  same as buy
  replayed

POST /v1/purchases    {  "merchant" : $shop.id ,  "wallet": $anna.id, "amount" :   100  }
  > Idempotency-Key: purchase-1
  > Accept: text/plain
  > X-Request-Id: another
  same as buy
  replayed

POST /v1/deposits {"w\u0061llet": $anna.id, "amount": 1000, "bank_transaction_id": "\u0062\u0031", "reference": "r"}
  > Idempotency-Key: deposit-1
  same as first
  replayed

POST /v1/wallets {"owner": "anna", "currency": "USD", "kind": "customer", "credit_limit": 0}
  > Idempotency-Key: wallet-anna
  same as anna
  replayed

POST /v1/wallets {"owner": "anna", "currency": "USD", "metadata": {}}
  > Idempotency-Key: wallet-anna
  same as anna
  replayed

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50, "expires_in": 604800}
  > Idempotency-Key: hold-1
  same as hold
  replayed

whole: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 7}
  201

captured: POST /v1/holds/$whole.id/capture {"amount": 7}
  > Idempotency-Key: capture-2
  201

POST /v1/holds/$whole.id/capture {"final": true, "amount": 7}
  > Idempotency-Key: capture-2
  same as captured
  replayed

tagged: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 2, "metadata": {"a": "1", "b": "2"}}
  > Idempotency-Key: metadata-1
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 2, "metadata": {"b": "2", "a": "1"}}
  > Idempotency-Key: metadata-1
  same as tagged
  replayed

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 2, "metadata": {"b": "1", "a": "2"}}
  > Idempotency-Key: metadata-1
  422 idempotency_key_reused

== If-Match is a header: a replay doesn't look at it

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 2, "metadata": {"b": "2", "a": "1"}}
  > Idempotency-Key: metadata-1
  > If-Match: "1"
  same as tagged
  replayed

== The ledger's refusals are remembered

poor: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 5000}
  > Idempotency-Key: poor
  422 insufficient_funds

POST /v1/deposits {"wallet": $anna.id, "amount": 5000, "bank_transaction_id": "b2"}
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 5000}
  > Idempotency-Key: poor
  same as poor
  replayed

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 5000}
  > Idempotency-Key: rich
  201

missing: POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "bank_transaction_id": "b3"}
  > Idempotency-Key: missing
  404 not_found

POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "bank_transaction_id": "b3"}
  > Idempotency-Key: missing
  same as missing
  replayed

PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200

frozen: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: frozen
  409 wallet_frozen

PATCH /v1/wallets/$anna.id {"status": "active"}
  200

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: frozen
  same as frozen
  replayed

full: PATCH /v1/wallets/$anna.id {"status": "closed"}
  > Idempotency-Key: close
  409 wallet_not_empty

PATCH /v1/wallets/$anna.id {"status": "closed"}
  > Idempotency-Key: close
  same as full
  replayed

== Other refusals are not remembered

# 412
POST /v1/deposits {"wallet": $anna.id, "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  > If-Match: "1"
  412 version_mismatch

# 400
POST /v1/deposits {"wallet": $anna.id, "amount": "3", "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  400 invalid_request

# 413
POST /v1/deposits {"wallet": $repeat("x", 66000), "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  413 request_too_large

# 415
POST /v1/deposits {"wallet": $anna.id, "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  > Content-Type: text/plain
  415 unsupported_media_type

# 401
as nobody
POST /v1/deposits {"wallet": $anna.id, "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  401 unauthenticated

as admin
once: POST /v1/deposits {"wallet": $anna.id, "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 3, "bank_transaction_id": "b4"}
  > Idempotency-Key: once
  same as once
  replayed

# 403
as auditor
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: auditors
  403 forbidden

as admin

== A key belongs to who uses it

as service
mine: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 4}
  > Idempotency-Key: purchase-1
  201 {"amount": 4}

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 4}
  > Idempotency-Key: purchase-1
  same as mine
  replayed

as service2
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 5}
  > Idempotency-Key: purchase-1
  201 {"amount": 5}

as admin
POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  same as buy
  replayed

== Without a key every request is a new one

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  201

== Keys have 1 to 255 characters

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: 
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
  400 invalid_request

edge: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
  same as edge
  replayed

== Keys outlive restarts and crashes, with every byte of the answer

restart

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > Idempotency-Key: purchase-1
  same as buy
  replayed

POST /v1/wallets {"owner": "anna", "currency": "USD"}
  > Idempotency-Key: wallet-anna
  same as anna
  replayed

POST /v1/withdrawals {"wallet": $anna.id, "amount": 5}
  > Idempotency-Key: out-1
  same as out
  replayed

POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w1"}
  > Idempotency-Key: settle-1
  same as settle
  replayed

PATCH /v1/wallets/$anna.id {"metadata": {"a": "1"}}
  > Idempotency-Key: patch-1
  same as change
  replayed

kill

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 5000}
  > Idempotency-Key: poor
  same as poor
  replayed

POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1, "bank_transaction_id": "b3"}
  > Idempotency-Key: missing
  same as missing
  replayed

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  > Idempotency-Key: hold-1
  same as hold
  replayed

POST /v1/holds/$hold.id/void {}
  > Idempotency-Key: void-1
  same as voided
  replayed

POST /v1/holds/$hold.id/capture {"amount": 20, "final": false}
  > Idempotency-Key: capture-1
  same as capture
  replayed

POST /v1/refunds {"purchase": $buy.id, "amount": 10}
  > Idempotency-Key: refund-1
  same as refund
  replayed

as service
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 4}
  > Idempotency-Key: purchase-1
  same as mine
  replayed
