# SPDX-License-Identifier: MIT
# Holds: money set aside for a merchant; captured whole, in parts, or given back.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

== A hold holds

hold: POST /v1/holds
    {"wallet": $anna.id, "merchant": $shop.id, "amount": 400, "expires_in": 3600, "order": "H-1",
     "reference": "hotel", "metadata": {"room": "12"}}
  201 {"id": "<hold id>", "wallet": $anna.id, "merchant": $shop.id, "amount": 400, "captured": 0, "remaining": 400,
       "status": "open", "order": "H-1", "reference": "hotel", "metadata": {"room": "12"}, "expires_at": "<time>",
       "created_at": "<time>"}
  fields id wallet merchant amount captured remaining status order reference metadata expires_at created_at

wallet anna balance 1000 held 400 available 600 version 3
# Nothing happens to the merchant yet.
wallet shop balance 0 held 0 version 1

GET /v1/holds/$hold.id
  200 $hold

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 601}
  422 insufficient_funds
  says $anna.id "600" "601"

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 601}
  422 insufficient_funds

POST /v1/transfers {"from": $anna.id, "to": $bob.id, "amount": 601}
  422 insufficient_funds

POST /v1/withdrawals {"wallet": $anna.id, "amount": 601, "bank_transaction_id": "w"}
  422 insufficient_funds

== Captured in parts

part: POST /v1/holds/$hold.id/capture {"amount": 100, "final": false}
  201 {"id": "<txn id>", "type": "purchase", "amount": 100, "currency": "USD", "hold": $hold.id, "refunded": 0,
       "debit": {"account": $anna.id, "balance": 900, "version": 4},
       "credit": {"account": $shop.id, "balance": 100, "version": 2},
       "initiated_by": "<key id>", "created_at": "<time>"}
  no purchase bank_transaction_id

GET /v1/holds/$hold.id
  200 {"amount": 400, "captured": 100, "remaining": 300, "status": "open"}

wallet anna balance 900 held 300 available 600 version 4
wallet shop balance 100 version 2

POST /v1/holds/$hold.id/capture {"amount": 301, "final": false}
  422 capture_exceeds_hold

POST /v1/holds/$hold.id/capture {"amount": 301}
  422 capture_exceeds_hold

GET /v1/transactions/$part.id
  200 $part

== A final capture frees the rest

last: POST /v1/holds/$hold.id/capture {"amount": 150}
  201 {"amount": 150, "debit": {"balance": 750, "version": 5}}

GET /v1/holds/$hold.id
  200 {"amount": 400, "captured": 250, "status": "captured"}

wallet anna balance 750 held 0 available 750 version 5

POST /v1/holds/$hold.id/capture {"amount": 1}
  409 hold_not_open

POST /v1/holds/$hold.id/capture {}
  409 hold_not_open

POST /v1/holds/$hold.id/void {}
  409 hold_not_open

== Captured whole by default

whole: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 50}
  201
  fields id wallet merchant amount captured remaining status expires_at created_at

POST /v1/holds/$whole.id/capture {}
  201 {"amount": 50, "hold": $whole.id}

GET /v1/holds/$whole.id
  200 {"captured": 50, "remaining": 0, "status": "captured"}

== Captured when nothing remains, final or not

pieces: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 60}
  201

POST /v1/holds/$pieces.id/capture {"amount": 20, "final": false}
  201

POST /v1/holds/$pieces.id/capture {"amount": 20, "final": false}
  201

GET /v1/holds/$pieces.id
  200 {"captured": 40, "remaining": 20, "status": "open"}

# The default amount of a later capture is what remains.
POST /v1/holds/$pieces.id/capture {"final": false}
  201 {"amount": 20}

GET /v1/holds/$pieces.id
  200 {"captured": 60, "remaining": 0, "status": "captured"}

POST /v1/holds/$pieces.id/void {}
  409 hold_not_open

wallet anna balance 640 held 0

== Voided, also after a partial capture

void: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201

wallet anna balance 640 held 100 available 540

POST /v1/holds/$void.id/void {}
  200 {"id": $void.id, "status": "voided", "amount": 100, "captured": 0}

wallet anna balance 640 held 0 available 640

POST /v1/holds/$void.id/capture {"amount": 1}
  409 hold_not_open

POST /v1/holds/$void.id/void {}
  409 hold_not_open

some: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201

POST /v1/holds/$some.id/capture {"amount": 30, "final": false}
  201

POST /v1/holds/$some.id/void {}
  200 {"status": "voided", "captured": 30, "amount": 100}

wallet anna balance 610 held 0 available 610

== A void takes no body either

bare: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  201

POST /v1/holds/$bare.id/void
  200 {"status": "voided"}

== Only for merchants, not for oneself, and only for wallets that are there

POST /v1/holds {"wallet": $anna.id, "merchant": $bob.id, "amount": 1}
  422 not_a_merchant

POST /v1/holds {"wallet": $shop.id, "merchant": $shop.id, "amount": 1}
  422 same_wallet

POST /v1/holds {"wallet": $anna.id, "merchant": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  404 not_found

POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/capture {}
  404 not_found

POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/void {}
  404 not_found

GET /v1/holds/hold_01h455vb4pex5vsknk084sn02q
  404 not_found

== Two holds at once, and both are there after a crash

one: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 200}
  201

two: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 410, "order": "H-2"}
  201

wallet anna balance 610 held 610 available 0

POST /v1/holds/$one.id/capture {"amount": 50, "final": false}
  201

kill

wallet anna balance 560 held 560 available 0

GET /v1/holds/$one.id
  200 {"captured": 50, "remaining": 150, "status": "open", "expires_at": $one.expires_at}

POST /v1/holds/$one.id/capture {"amount": 151}
  422 capture_exceeds_hold

POST /v1/holds/$one.id/void {}
  200

wallet anna balance 560 held 410

restart

POST /v1/holds/$two.id/capture {"amount": 10}
  201 {"credit": {"account": $shop.id}}

wallet anna balance 550 held 0

== Holds are listed by wallet, merchant, status and order

open: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 5, "order": "H-1"}
  201

LIST /v1/holds?order=H-1
  200
  ids $open.id $hold.id

LIST /v1/holds?status=open
  200
  ids $open.id

LIST /v1/holds?status=voided&wallet=$anna.id
  200
  ids $one.id $bare.id $some.id $void.id

LIST /v1/holds?merchant=$shop.id&status=captured
  200
  ids $two.id $pieces.id $whole.id $hold.id

LIST /v1/holds?merchant=$bob.id
  200
  count 0

LIST /v1/holds?wallet=$anna.id&order=H-2
  200
  ids $two.id
