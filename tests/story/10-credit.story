# SPDX-License-Identifier: MIT
# Credit limits: how far a wallet may go below zero, and no further.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD", "credit_limit": 100}
  201 {"credit_limit": 100, "balance": 0, "available": 0}

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

== Spendable is what is available and the credit

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 101}
  422 insufficient_funds
  says $anna.id "101"

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 60}
  201 {"debit": {"balance": -60}}

wallet anna balance -60 held 0 available -60 credit_limit 100

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 30}
  201

wallet anna balance -60 held 30 available -90

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 11}
  422 insufficient_funds

POST /v1/withdrawals {"wallet": $anna.id, "amount": 11}
  422 insufficient_funds

pending: POST /v1/withdrawals {"wallet": $anna.id, "amount": 10}
  201

wallet anna balance -60 held 40 available -100

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  422 insufficient_funds

== A limit is not lowered below its use

PATCH /v1/wallets/$anna.id {"credit_limit": 99}
  409 credit_limit_in_use
  says $anna.id

PATCH /v1/wallets/$anna.id {"credit_limit": 0}
  409 credit_limit_in_use

PATCH /v1/wallets/$anna.id {"credit_limit": 101}
  200 {"credit_limit": 101}

PATCH /v1/wallets/$anna.id {"credit_limit": 100}
  200 {"credit_limit": 100}

POST /v1/withdrawals/$pending.id/fail {}
  200

PATCH /v1/wallets/$anna.id {"credit_limit": 89}
  409 credit_limit_in_use

PATCH /v1/wallets/$anna.id {"credit_limit": 90}
  200

POST /v1/holds/$hold.id/capture {}
  201 {"debit": {"balance": -90}}

PATCH /v1/wallets/$anna.id {"credit_limit": 89}
  409 credit_limit_in_use

== Below zero is in the books, and the books are right

check: GET /check-integrity
  200 {"consistent": true}

POST /v1/deposits {"wallet": $anna.id, "amount": 90, "bank_transaction_id": "b1"}
  201 {"credit": {"balance": 0}}

PATCH /v1/wallets/$anna.id {"credit_limit": 0}
  200 {"credit_limit": 0}

restart
wallet anna balance 0 credit_limit 0 held 0
wallet shop balance 90

== Credit limits have bounds

PATCH /v1/wallets/$anna.id {"credit_limit": -1}
  400 invalid_request
  pointer /credit_limit

PATCH /v1/wallets/$anna.id {"credit_limit": 9007199254740992}
  400 invalid_request
  pointer /credit_limit

PATCH /v1/wallets/$anna.id {"credit_limit": "5"}
  400 invalid_request

PATCH /v1/wallets/$anna.id {"credit_limit": 1.5}
  400 invalid_request

PATCH /v1/wallets/$anna.id {"credit_limit": 9007199254740991}
  200 {"credit_limit": 9007199254740991}

POST /v1/wallets {"owner": "x", "currency": "USD", "credit_limit": 9007199254740992}
  400 invalid_request
  pointer /credit_limit

rich: POST /v1/wallets {"owner": "x", "currency": "USD", "credit_limit": 9007199254740991}
  201

== Down to the last cent of the largest credit

big: POST /v1/wallets {"owner": "big", "currency": "USD", "kind": "merchant"}
  201

POST /v1/transfers {"from": $rich.id, "to": $big.id, "amount": 9007199254740991}
  201 {"debit": {"balance": -9007199254740991}, "credit": {"balance": 9007199254740991}}

POST /v1/transfers {"from": $rich.id, "to": $shop.id, "amount": 1}
  422 insufficient_funds

wallet rich balance -9007199254740991 available -9007199254740991
wallet big balance 9007199254740991

POST /v1/transfers {"from": $big.id, "to": $rich.id, "amount": 9007199254740991}
  201 {"debit": {"balance": 0}, "credit": {"balance": 0}}
