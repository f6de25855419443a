# SPDX-License-Identifier: MIT
# Deposits: money that the bank brought. The bank's own id is taken once, for ever, in each currency.

== Money comes in from outside

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

first: POST /v1/deposits
    {"wallet": $anna.id, "amount": 12345, "bank_transaction_id": "bank-1", "reference": "salary of May",
     "metadata": {"employer": "Medici & Co"}}
  201 {"id": "<txn id>", "type": "deposit", "amount": 12345, "currency": "USD",
       "debit": {"account": "external:USD"},
       "credit": {"account": $anna.id, "balance": 12345, "version": 2},
       "initiated_by": "<key id>", "bank_transaction_id": "bank-1", "reference": "salary of May",
       "created_at": "<time>", "metadata": {"employer": "Medici & Co"}}
  fields id type amount currency debit credit initiated_by bank_transaction_id reference created_at metadata

wallet anna balance 12345 held 0 available 12345 version 2

GET /v1/transactions/$first.id
  200 {"id": $first.id, "type": "deposit", "amount": 12345, "credit": {"account": $anna.id, "balance": 12345,
       "version": 2}, "created_at": $first.created_at, "reference": "salary of May"}
  fields id type amount currency debit credit initiated_by bank_transaction_id reference created_at metadata

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "bank-2"}
  201 {"credit": {"balance": 12346, "version": 3}}
  fields id type amount currency debit credit initiated_by bank_transaction_id created_at

== The same money is never counted twice

POST /v1/deposits {"wallet": $anna.id, "amount": 12345, "bank_transaction_id": "bank-1"}
  409 duplicate_bank_transaction
  says $first.id

POST /v1/deposits {"wallet": $anna.id, "amount": 7, "bank_transaction_id": "bank-1"}
  409 duplicate_bank_transaction
  says $first.id

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $bob.id, "amount": 12345, "bank_transaction_id": "bank-1"}
  409 duplicate_bank_transaction
  says $first.id

wallet anna balance 12346 version 3
wallet bob balance 0 version 1

== Each currency has bank ids of its own, and capitals count

euro: POST /v1/wallets {"owner": "anna", "currency": "EUR"}
  201

euros: POST /v1/deposits {"wallet": $euro.id, "amount": 5, "bank_transaction_id": "bank-1"}
  201 {"currency": "EUR", "debit": {"account": "external:EUR"}}

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "BANK-1"}
  201

== Withdrawals draw from the same space

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "bank-1"}
  409 duplicate_bank_transaction
  says $first.id

out: POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "bank-3"}
  201 {"status": "settled"}

POST /v1/deposits {"wallet": $bob.id, "amount": 1, "bank_transaction_id": "bank-3"}
  409 duplicate_bank_transaction

== A refused deposit uses up no bank id

POST /v1/deposits {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 5, "bank_transaction_id": "bank-4"}
  404 not_found

PATCH /v1/wallets/$euro.id {"metadata": {"a": "b"}}
  200 {"version": 3}

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "bank-4", "currency": "EUR"}
  422 currency_mismatch

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "bank-4"}
  > If-Match: "99"
  412 version_mismatch

closed: POST /v1/wallets {"owner": "carl", "currency": "USD"}
  201

PATCH /v1/wallets/$closed.id {"status": "closed"}
  200

POST /v1/deposits {"wallet": $closed.id, "amount": 5, "bank_transaction_id": "bank-4"}
  409 wallet_closed
  says $closed.id

POST /v1/withdrawals {"wallet": $bob.id, "amount": 1000, "bank_transaction_id": "bank-4"}
  422 insufficient_funds

fourth: POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "bank-4"}
  201 {"credit": {"balance": 10}}

== The bank id is required and a text

POST /v1/deposits {"wallet": $bob.id, "amount": 5}
  400 invalid_request
  pointer /bank_transaction_id

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": ""}
  400 invalid_request
  pointer /bank_transaction_id

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": 17}
  400 invalid_request
  pointer /bank_transaction_id

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": $repeat("b", 256)}
  400 invalid_request
  pointer /bank_transaction_id

long: POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": $repeat("b", 255)}
  201

== A bank id finds its transaction

LIST /v1/transactions?bank_transaction_id=bank-4
  200
  ids $fourth.id

LIST /v1/transactions?bank_transaction_id=bank-404
  200
  count 0

# The same id in two currencies: both are found, the newest first.
LIST /v1/transactions?bank_transaction_id=bank-1
  200
  ids $euros.id $first.id

LIST /v1/transactions?bank_transaction_id=bank-1&limit=1
  200
  ids $euros.id $first.id

== Taken for ever: also after restarts

restart

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "bank-1"}
  409 duplicate_bank_transaction
  says $first.id

kill

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "${long.bank_transaction_id}"}
  409 duplicate_bank_transaction
  says $long.id

POST /v1/deposits {"wallet": $bob.id, "amount": 5, "bank_transaction_id": "bank-5"}
  201 {"credit": {"balance": 20}}
