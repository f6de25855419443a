# SPDX-License-Identifier: MIT
# Purchases pay merchants; transfers move money between any two wallets.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

== A purchase

buy: POST /v1/purchases
    {"wallet": $anna.id, "merchant": $shop.id, "amount": 250, "order": "A-17", "reference": "two books",
     "metadata": {"basket": "9"}}
  201 {"id": "<txn id>", "type": "purchase", "amount": 250, "currency": "USD",
       "debit": {"account": $anna.id, "balance": 750, "version": 3},
       "credit": {"account": $shop.id, "balance": 250, "version": 2},
       "initiated_by": "<key id>", "order": "A-17", "reference": "two books", "refunded": 0,
       "created_at": "<time>", "metadata": {"basket": "9"}}
  fields id type amount currency debit credit initiated_by order reference refunded created_at metadata

GET /v1/transactions/$buy.id
  200 $buy

wallet anna balance 750 held 0 available 750 version 3
wallet shop balance 250 held 0 available 250 version 2

plain: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 750}
  201 {"debit": {"balance": 0}, "credit": {"balance": 1000}}
  no order reference metadata bank_transaction_id purchase hold reason

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  422 insufficient_funds
  says $anna.id "0" "1"

wallet anna balance 0 version 4

== Only merchants are paid by purchase, and nobody pays himself

POST /v1/purchases {"wallet": $shop.id, "merchant": $bob.id, "amount": 1}
  422 not_a_merchant
  says $bob.id

POST /v1/purchases {"wallet": $shop.id, "merchant": $shop.id, "amount": 1}
  422 same_wallet
  says $shop.id

# A merchant may buy at another merchant's.
mall: POST /v1/wallets {"owner": "mall", "currency": "USD", "kind": "merchant"}
  201

POST /v1/purchases {"wallet": $shop.id, "merchant": $mall.id, "amount": 10}
  201 {"debit": {"account": $shop.id, "balance": 990}, "credit": {"account": $mall.id, "balance": 10}}

== A transfer

gift: POST /v1/transfers
    {"from": $shop.id, "to": $bob.id, "amount": 90, "reference": "a thank-you", "metadata": {"why": "because"}}
  201 {"type": "transfer", "amount": 90, "currency": "USD",
       "debit": {"account": $shop.id, "balance": 900, "version": 5},
       "credit": {"account": $bob.id, "balance": 90, "version": 2}, "reference": "a thank-you"}
  fields id type amount currency debit credit initiated_by reference created_at metadata

back: POST /v1/transfers {"from": $bob.id, "to": $shop.id, "amount": 90}
  201 {"debit": {"account": $bob.id, "balance": 0, "version": 3}, "credit": {"account": $shop.id, "balance": 990}}
  fields id type amount currency debit credit initiated_by created_at

POST /v1/transfers {"from": $bob.id, "to": $shop.id, "amount": 1}
  422 insufficient_funds
  says $bob.id

POST /v1/transfers {"from": $bob.id, "to": $bob.id, "amount": 1}
  422 same_wallet

wallet bob balance 0 version 3
wallet shop balance 990 version 6

== Missing wallets

POST /v1/purchases {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "merchant": $shop.id, "amount": 1}
  404 not_found

POST /v1/purchases {"wallet": $shop.id, "merchant": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  404 not_found

POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": $bob.id, "amount": 1}
  404 not_found

POST /v1/transfers {"from": $bob.id, "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  404 not_found

== Orders find their transactions

again: POST /v1/purchases {"wallet": $shop.id, "merchant": $mall.id, "amount": 1, "order": "A-17"}
  201

LIST /v1/transactions?order=A-17
  200
  ids $again.id $buy.id

LIST /v1/transactions?order=A-18
  200
  count 0

kill

LIST /v1/transactions?order=A-17
  200
  ids $again.id $buy.id

GET /v1/transactions/$buy.id
  200 $buy
