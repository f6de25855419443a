# SPDX-License-Identifier: MIT
# The largest amounts: 2^53-1 at once, and in a wallet, and not one more.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

== One is the least, 2^53-1 the most

POST /v1/deposits {"wallet": $anna.id, "amount": 0, "bank_transaction_id": "b0"}
  400 invalid_request
  pointer /amount

POST /v1/deposits {"wallet": $anna.id, "amount": -1, "bank_transaction_id": "b0"}
  400 invalid_request
  pointer /amount

POST /v1/deposits {"wallet": $anna.id, "amount": 9007199254740992, "bank_transaction_id": "b0"}
  400 invalid_request
  pointer /amount

POST /v1/deposits {"wallet": $anna.id, "amount": 9223372036854775808, "bank_transaction_id": "b0"}
  400 invalid_request

POST /v1/deposits {"wallet": $anna.id, "amount": 18446744073709551617, "bank_transaction_id": "b0"}
  400 invalid_request

POST /v1/deposits {"wallet": $anna.id, "amount": -9223372036854775809, "bank_transaction_id": "b0"}
  400 invalid_request

POST /v1/deposits {"wallet": $anna.id, "amount": 9007199254740991, "bank_transaction_id": "b0"}
  201 {"amount": 9007199254740991, "credit": {"balance": 9007199254740991}}

== A full wallet takes no more, whoever pays

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b1"}
  422 balance_limit_exceeded
  says $anna.id

POST /v1/deposits {"wallet": $bob.id, "amount": 1, "bank_transaction_id": "b1"}
  201

POST /v1/transfers {"from": $bob.id, "to": $anna.id, "amount": 1}
  422 balance_limit_exceeded
  says $anna.id

buy: POST /v1/purchases {"wallet": $bob.id, "merchant": $shop.id, "amount": 1}
  201

# The shop is filled up; then it takes no purchase and no capture.
POST /v1/deposits {"wallet": $shop.id, "amount": 9007199254740990, "bank_transaction_id": "b2"}
  201 {"credit": {"balance": 9007199254740991}}

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  422 balance_limit_exceeded
  says $shop.id

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 2}
  201

POST /v1/holds/$hold.id/capture {}
  422 balance_limit_exceeded
  says $shop.id

# Money that is held is still in the balance.
POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b3"}
  422 balance_limit_exceeded

POST /v1/withdrawals {"wallet": $shop.id, "amount": 2, "bank_transaction_id": "b4"}
  201

POST /v1/holds/$hold.id/capture {}
  201 {"credit": {"balance": 9007199254740991}}

# A refund needs room in the wallet that paid.
second: POST /v1/withdrawals {"wallet": $shop.id, "amount": 9, "bank_transaction_id": "b5"}
  201

wide: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 9}
  201 {"debit": {"balance": 9007199254740980}}

POST /v1/deposits {"wallet": $anna.id, "amount": 11, "bank_transaction_id": "b3"}
  201 {"credit": {"balance": 9007199254740991}}

POST /v1/refunds {"purchase": $wide.id, "amount": 1}
  422 balance_limit_exceeded
  says $anna.id

POST /v1/withdrawals {"wallet": $anna.id, "amount": 9007199254740991, "bank_transaction_id": "b6"}
  201

POST /v1/refunds {"purchase": $wide.id}
  201 {"credit": {"account": $anna.id, "balance": 9}}

== The sums of a currency are wider than a wallet

# More than 2^63 of deposits in all: the totals must neither wrap nor round.
c1: POST /v1/batches
    {"operations": [
      {"type": "wallet", "owner": "w1", "currency": "EUR"}, {"type": "wallet", "owner": "w2", "currency": "EUR"}]}
  200

many: POST /v1/batches {"atomic": true, "operations": $list(1100, {"type": "wallet", "owner": "crowd", "currency": "EUR"})}
  200

POST /v1/deposits {"wallet": $many.results.0.id, "amount": 9007199254740991, "bank_transaction_id": "e0"}
  201

POST /v1/deposits {"wallet": $many.results.1.id, "amount": 9007199254740991, "bank_transaction_id": "e1"}
  201

POST /v1/deposits {"wallet": $many.results.2.id, "amount": 9007199254740991, "bank_transaction_id": "e2"}
  201

GET /check-integrity
  200 {"consistent": true}
  says 27021597764222973

restart

GET /check-integrity
  200 {"consistent": true}
  says 27021597764222973
