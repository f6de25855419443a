# SPDX-License-Identifier: MIT
# A hold is over at `expires_at`: no capture after it, and the money is spendable again at once.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 100, "bank_transaction_id": "b1"}
  201

== Without traffic, a timer notices within a second

short: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100, "expires_in": 1}
  201 {"status": "open"}

wallet anna balance 100 held 100 available 0 version 3

GET /v1/holds/$short.id
  200 {"status": "expired", "captured": 0}
  within 2.2

wallet anna balance 100 held 0 available 100 version 4

POST /v1/holds/$short.id/capture {}
  409 hold_not_open

POST /v1/holds/$short.id/void {}
  409 hold_not_open

LIST /v1/holds?status=expired
  200
  ids $short.id

== The round that needs the money finds it free

again: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 100, "expires_in": 1}
  201

partly: POST /v1/holds/$again.id/capture {"amount": 30, "final": false}
  201

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 70}
  422 insufficient_funds

wait 1.05

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 70}
  201 {"debit": {"account": $anna.id, "balance": 0, "version": 8}}

GET /v1/holds/$again.id
  200 {"status": "expired", "captured": 30, "amount": 100}

# hold 5, capture 6, expiry 7, purchase 8
wallet anna balance 0 held 0 version 8

# What was captured before can still be refunded.
POST /v1/refunds {"purchase": $partly.id}
  201 {"amount": 30}

== Too late by a little is too late

late: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 10, "expires_in": 1}
  201

wait 1.01

POST /v1/holds/$late.id/capture {}
  409 hold_not_open
  says $late.id

wallet anna balance 30 held 0

== Expired while the server was down

down: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 30, "expires_in": 1}
  201

long: POST /v1/holds {"wallet": $shop.id, "merchant": $shop.id, "amount": 30, "expires_in": 1}
  422 same_wallet

kill
wait 1.0

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 30}
  201 {"debit": {"balance": 0}}

GET /v1/holds/$down.id
  200 {"status": "expired"}

== Still expired after another restart, and no version was counted twice

before: GET /v1/wallets/$anna.id
  200 {"held": 0}

restart
wait 1.1

GET /v1/wallets/$anna.id
  same as before

GET /v1/holds/$again.id
  200 {"status": "expired"}

== Long ones stay open

POST /v1/deposits {"wallet": $anna.id, "amount": 100, "bank_transaction_id": "b2"}
  201

year: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 10, "expires_in": 31622400}
  201 {"status": "open"}

restart

GET /v1/holds/$year.id
  200 $year

POST /v1/holds/$year.id/capture {}
  201

== Thousands that end at once: the next payment finds all of its wallet's money free

rich: POST /v1/wallets {"owner": "rich", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $rich.id, "amount": 3000, "bank_transaction_id": "b3"}
  201

POST /v1/batches {"operations": $list(3000, {"type": "hold", "wallet": $rich.id, "merchant": $shop.id, "amount": 1, "expires_in": 1})}
  200

wait 1.1

POST /v1/transfers {"from": $rich.id, "to": $anna.id, "amount": 3000}
  201 {"debit": {"balance": 0}}

# 1 deposit, 3,000 holds, 3,000 expiries, 1 transfer
wallet rich balance 0 held 0 version 6003

== Thousands of other wallets' holds end by themselves

POST /v1/transfers {"from": $anna.id, "to": $rich.id, "amount": 3000}
  201

POST /v1/batches {"operations": $list(3000, {"type": "hold", "wallet": $rich.id, "merchant": $shop.id, "amount": 1, "expires_in": 1})}
  200

wait 1.0

GET /v1/holds?status=open&wallet=$rich.id
  200
  count 0
  no next_cursor
  within 5

wallet rich balance 3000 held 0 available 3000

kill

wallet rich balance 3000 held 0 available 3000
