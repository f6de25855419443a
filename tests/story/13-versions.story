# SPDX-License-Identifier: MIT
# Versions: which operation makes a new one, and If-Match on everything that moves a wallet's money.

== Every committed change is one version, of each wallet that it changes

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201 {"version": 1}

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201 {"version": 1}

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201 {"credit": {"version": 2}}

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201 {"debit": {"version": 3}, "credit": {"version": 2}}

POST /v1/refunds {"purchase": $buy.id, "amount": 10}
  201 {"debit": {"account": $shop.id, "version": 3}, "credit": {"account": $anna.id, "version": 4}}

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 10}
  201 {"debit": {"version": 5}, "credit": {"version": 4}}

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201
wallet anna version 6
wallet shop version 4

# A capture changes balance and held, and is one change.
POST /v1/holds/$hold.id/capture {"amount": 40, "final": false}
  201 {"debit": {"version": 7}, "credit": {"version": 5}}

POST /v1/holds/$hold.id/capture {"amount": 40}
  201 {"debit": {"version": 8}, "credit": {"version": 6}}
wallet anna version 8 held 0

void: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201
wallet anna version 9

POST /v1/holds/$void.id/void {}
  200
wallet anna version 10
wallet shop version 6

out: POST /v1/withdrawals {"wallet": $anna.id, "amount": 10}
  201
wallet anna version 11

POST /v1/withdrawals/$out.id/settle {"bank_transaction_id": "w1"}
  200
wallet anna version 12

fail: POST /v1/withdrawals {"wallet": $anna.id, "amount": 10}
  201
POST /v1/withdrawals/$fail.id/fail {}
  200
wallet anna version 14

POST /v1/withdrawals {"wallet": $anna.id, "amount": 10, "bank_transaction_id": "w2"}
  201
wallet anna version 15

PATCH /v1/wallets/$anna.id {"status": "frozen", "credit_limit": 5, "metadata": {"a": "b"}}
  200 {"version": 16}

== What changes nothing is no version: refusals, replays, idle changes, reads

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 10}
  409 wallet_frozen

PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200 {"version": 16}

PATCH /v1/wallets/$anna.id {"status": "active", "credit_limit": 0}
  > Idempotency-Key: thaw
  200 {"version": 17}

PATCH /v1/wallets/$anna.id {"status": "active", "credit_limit": 0}
  > Idempotency-Key: thaw
  200 {"version": 17}
  replayed

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 100000}
  422 insufficient_funds

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b1"}
  409 duplicate_bank_transaction

GET /v1/wallets/$anna.id
  200 {"version": 17}
  < ETag: "17"

kill
wallet anna version 17
wallet shop version 6

== If-Match: only the version it names

PATCH /v1/wallets/$anna.id {"metadata": {"a": "c"}}
  > If-Match: "16"
  412 version_mismatch
  says $anna.id

PATCH /v1/wallets/$anna.id {"metadata": {"a": "c"}}
  > If-Match: "18"
  412 version_mismatch

PATCH /v1/wallets/$anna.id {"metadata": {"a": "c"}}
  > If-Match: "17"
  200 {"version": 18}
  < ETag: "18"

POST /v1/deposits {"wallet": $anna.id, "amount": 10, "bank_transaction_id": "b2"}
  > If-Match: "17"
  412 version_mismatch
  says $anna.id

POST /v1/deposits {"wallet": $anna.id, "amount": 10, "bank_transaction_id": "b2"}
  > If-Match: "18"
  201 {"credit": {"version": 19}}

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  > If-Match: "18"
  412 version_mismatch

pending: POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  > If-Match: "19"
  201

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "w3"}
  > If-Match: "19"
  412 version_mismatch

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "w3"}
  > If-Match: "20"
  201

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > If-Match: "6"
  412 version_mismatch
  says $anna.id

second: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  > If-Match: "21"
  201 {"debit": {"version": 22}, "credit": {"version": 7}}

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > If-Match: "7"
  412 version_mismatch

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > If-Match: "22"
  201 {"debit": {"version": 23}, "credit": {"version": 8}}

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  > If-Match: "8"
  412 version_mismatch

third: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  > If-Match: "23"
  201

== It means the paying wallet, also where the body doesn't name it

# A refund's payer is the merchant.
POST /v1/refunds {"purchase": $second.id, "amount": 5}
  > If-Match: "24"
  412 version_mismatch
  says $shop.id

POST /v1/refunds {"purchase": $second.id, "amount": 5}
  > If-Match: "8"
  201 {"debit": {"account": $shop.id, "version": 9}, "credit": {"version": 25}}

# A capture's is the customer whose money is held.
POST /v1/holds/$third.id/capture {"amount": 10, "final": false}
  > If-Match: "9"
  412 version_mismatch
  says $anna.id

POST /v1/holds/$third.id/capture {"amount": 10, "final": false}
  > If-Match: "25"
  201 {"debit": {"version": 26}, "credit": {"version": 10}}

POST /v1/withdrawals/$pending.id/settle {"bank_transaction_id": "w4"}
  > If-Match: "25"
  412 version_mismatch

POST /v1/withdrawals/$pending.id/settle {"bank_transaction_id": "w4"}
  > If-Match: "26"
  200

wallet anna version 27
wallet shop version 10

== One tag, as an ETag is written

PATCH /v1/wallets/$anna.id {"metadata": {"a": "d"}}
  > If-Match: 27
  400 invalid_request

PATCH /v1/wallets/$anna.id {"metadata": {"a": "d"}}
  > If-Match: W/"27"
  400 invalid_request

PATCH /v1/wallets/$anna.id {"metadata": {"a": "d"}}
  > If-Match: "27", "28"
  400 invalid_request

PATCH /v1/wallets/$anna.id {"metadata": {"a": "d"}}
  > If-Match: "abc"
  400 invalid_request

PATCH /v1/wallets/$anna.id {"metadata": {"a": "d"}}
  > If-Match: ""
  400 invalid_request

wallet anna version 27

== A PATCH that changes nothing may still be stale

PATCH /v1/wallets/$anna.id {"status": "active"}
  > If-Match: "26"
  412 version_mismatch

PATCH /v1/wallets/$anna.id {"status": "active"}
  > If-Match: "27"
  200 {"version": 27}
