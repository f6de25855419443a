# SPDX-License-Identifier: MIT
# Refunds are partial and cumulative, never above the purchase, and paid from what the merchant can spend.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100, "order": "O-1"}
  201 {"refunded": 0}

== In parts, up to the purchase

part: POST /v1/refunds
    {"purchase": $buy.id, "amount": 30, "reason": "one is broken", "reference": "r-1", "metadata": {"clerk": "c"}}
  201 {"type": "refund", "amount": 30, "currency": "USD", "purchase": $buy.id, "reason": "one is broken",
       "debit": {"account": $shop.id, "balance": 70, "version": 3},
       "credit": {"account": $anna.id, "balance": 930, "version": 4},
       "reference": "r-1", "metadata": {"clerk": "c"}, "initiated_by": "<key id>", "created_at": "<time>"}
  no refunded hold bank_transaction_id

GET /v1/transactions/$buy.id
  200 {"refunded": 30, "amount": 100, "credit": {"account": $shop.id, "balance": 100, "version": 2}}

POST /v1/refunds {"purchase": $buy.id, "amount": 71}
  422 refund_exceeds_purchase

POST /v1/refunds {"purchase": $buy.id, "amount": 70}
  201 {"amount": 70}
  no reason reference metadata

GET /v1/transactions/$buy.id
  200 {"refunded": 100}

POST /v1/refunds {"purchase": $buy.id, "amount": 1}
  422 refund_exceeds_purchase

POST /v1/refunds {"purchase": $buy.id}
  422 refund_exceeds_purchase

wallet anna balance 1000 version 5
wallet shop balance 0 version 4

== Without an amount it is what is left

second: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 100}
  201

POST /v1/refunds {"purchase": $second.id, "amount": 1}
  201

POST /v1/refunds {"purchase": $second.id}
  201 {"amount": 99}

GET /v1/transactions/$second.id
  200 {"refunded": 100}

== The merchant must have the money, and is named when not

third: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 500}
  201

POST /v1/transfers {"from": $shop.id, "to": $anna.id, "amount": 450}
  201

POST /v1/refunds {"purchase": $third.id}
  422 insufficient_funds
  says $shop.id "50" "500"

POST /v1/refunds {"purchase": $third.id, "amount": 51}
  422 insufficient_funds
  says $shop.id

# What the merchant's own pending withdrawal holds is not spendable.
held: POST /v1/withdrawals {"wallet": $shop.id, "amount": 20}
  201 {"status": "pending"}

POST /v1/refunds {"purchase": $third.id, "amount": 31}
  422 insufficient_funds
  says $shop.id

POST /v1/refunds {"purchase": $third.id, "amount": 30}
  201 {"debit": {"account": $shop.id, "balance": 20}}

# A merchant's credit is.
PATCH /v1/wallets/$shop.id {"credit_limit": 470}
  200

POST /v1/refunds {"purchase": $third.id}
  201 {"amount": 470, "debit": {"account": $shop.id, "balance": -450}}

POST /v1/withdrawals/$held.id/fail {}
  200

wallet shop balance -450 held 0 available -450

== Only purchases can be refunded

gift: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 450}
  201

POST /v1/refunds {"purchase": $gift.id, "amount": 1}
  422 not_a_purchase

POST /v1/refunds {"purchase": $part.id, "amount": 1}
  422 not_a_purchase

deposit: POST /v1/deposits {"wallet": $anna.id, "amount": 5, "bank_transaction_id": "b2"}
  201

POST /v1/refunds {"purchase": $deposit.id}
  422 not_a_purchase

out: POST /v1/withdrawals {"wallet": $anna.id, "amount": 5, "bank_transaction_id": "b3"}
  201

POST /v1/refunds {"purchase": $out.transaction}
  422 not_a_purchase

POST /v1/refunds {"purchase": "txn_01h455vb4pex5vsknk084sn02q"}
  404 not_found

# A withdrawal's or wallet's id is no transaction's.
POST /v1/refunds {"purchase": $anna.id}
  400|404

== A capture is a purchase and can be refunded

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 80}
  201

capture: POST /v1/holds/$hold.id/capture {"amount": 60}
  201 {"type": "purchase", "amount": 60, "hold": $hold.id, "refunded": 0}

POST /v1/refunds {"purchase": $capture.id, "amount": 61}
  422 refund_exceeds_purchase

POST /v1/refunds {"purchase": $capture.id, "amount": 25}
  201 {"purchase": $capture.id, "credit": {"account": $anna.id}}

GET /v1/transactions/$capture.id
  200 {"refunded": 25}

== Also after a crash

kill

GET /v1/transactions/$capture.id
  200 {"refunded": 25}

POST /v1/refunds {"purchase": $capture.id, "amount": 36}
  422 refund_exceeds_purchase

POST /v1/refunds {"purchase": $capture.id}
  201 {"amount": 35}

restart

POST /v1/refunds {"purchase": $capture.id, "amount": 1}
  422 refund_exceeds_purchase

== A refund goes back to the wallet that paid, also when it is frozen

fourth: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 10}
  201

PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200

POST /v1/refunds {"purchase": $fourth.id, "amount": 4}
  201 {"credit": {"account": $anna.id}}

PATCH /v1/wallets/$anna.id {"status": "active"}
  200

# A frozen merchant pays no refund.
PATCH /v1/wallets/$shop.id {"status": "frozen"}
  200

POST /v1/refunds {"purchase": $fourth.id, "amount": 4}
  409 wallet_frozen
  says $shop.id
