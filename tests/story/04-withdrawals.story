# SPDX-License-Identifier: MIT
# Withdrawals: settled at once with the bank's id, or pending and held until the bank has said yes or no.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "in-1"}
  201

== With a bank id it is settled at once

done: POST /v1/withdrawals
    {"wallet": $anna.id, "amount": 100, "bank_transaction_id": "out-1", "reference": "cash", "metadata": {"atm": "7"}}
  201 {"id": "<id>", "wallet": $anna.id, "amount": 100, "currency": "USD", "status": "settled",
       "bank_transaction_id": "out-1", "transaction": "<txn id>", "initiated_by": "<key id>", "reference": "cash",
       "metadata": {"atm": "7"}, "created_at": "<time>", "settled_at": "<time>"}
  fields id wallet amount currency status bank_transaction_id transaction initiated_by reference metadata created_at settled_at

wallet anna balance 900 held 0 available 900 version 3

out: GET /v1/transactions/$done.transaction
  200 {"type": "withdrawal", "amount": 100, "currency": "USD", "bank_transaction_id": "out-1",
       "debit": {"account": $anna.id, "balance": 900, "version": 3}, "credit": {"account": "external:USD"}}

GET /v1/withdrawals/$done.id
  200
  says $done.transaction

== Without one the money is held, and is still balance

pending: POST /v1/withdrawals {"wallet": $anna.id, "amount": 300, "reference": "rent"}
  201 {"status": "pending", "amount": 300, "currency": "USD"}
  fields id wallet amount currency status initiated_by reference created_at

wallet anna balance 900 held 300 available 600 version 4

POST /v1/withdrawals {"wallet": $anna.id, "amount": 601}
  422 insufficient_funds
  says $anna.id "600" "601"

all: POST /v1/withdrawals {"wallet": $anna.id, "amount": 600}
  201 {"status": "pending"}

wallet anna balance 900 held 900 available 0 version 5

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "out-2"}
  422 insufficient_funds

== Settling debits it

settled: POST /v1/withdrawals/$pending.id/settle {"bank_transaction_id": "out-2"}
  200 {"id": $pending.id, "status": "settled", "bank_transaction_id": "out-2", "transaction": "<txn id>",
       "settled_at": "<time>", "created_at": $pending.created_at, "reference": "rent"}
  fields id wallet amount currency status bank_transaction_id transaction initiated_by reference created_at settled_at

wallet anna balance 600 held 600 available 0 version 6

GET /v1/transactions/$settled.transaction
  200 {"type": "withdrawal", "amount": 300, "bank_transaction_id": "out-2",
       "debit": {"account": $anna.id, "balance": 600, "version": 6}, "credit": {"account": "external:USD"}}

POST /v1/withdrawals/$pending.id/settle {"bank_transaction_id": "out-3"}
  409 withdrawal_not_pending

POST /v1/withdrawals/$pending.id/fail {"reason": "too late"}
  409 withdrawal_not_pending

POST /v1/withdrawals/$done.id/settle {"bank_transaction_id": "out-3"}
  409 withdrawal_not_pending

== Failing frees it

failed: POST /v1/withdrawals/$all.id/fail {"reason": "the bank does not know the account"}
  200 {"id": $all.id, "status": "failed", "reason": "the bank does not know the account"}
  fields id wallet amount currency status initiated_by reason created_at

wallet anna balance 600 held 0 available 600 version 7

POST /v1/withdrawals/$all.id/settle {"bank_transaction_id": "out-3"}
  409 withdrawal_not_pending

POST /v1/withdrawals/$all.id/fail {"reason": "again"}
  409 withdrawal_not_pending

silent: POST /v1/withdrawals {"wallet": $anna.id, "amount": 50}
  201

POST /v1/withdrawals/$silent.id/fail {}
  200 {"status": "failed"}
  no reason

wallet anna balance 600 held 0 version 9

== The bank's id of a settlement must be new, and a refused settlement uses none up

third: POST /v1/withdrawals {"wallet": $anna.id, "amount": 10}
  201

POST /v1/withdrawals/$third.id/settle {"bank_transaction_id": "in-1"}
  409 duplicate_bank_transaction

POST /v1/withdrawals/$third.id/settle {"bank_transaction_id": "out-1"}
  409 duplicate_bank_transaction

POST /v1/withdrawals/$third.id/settle {}
  400 invalid_request
  pointer /bank_transaction_id

wallet anna balance 600 held 10 version 10

POST /v1/withdrawals/$third.id/settle {"bank_transaction_id": "out-3"}
  200 {"status": "settled"}

wallet anna balance 590 held 0 version 11

== Pending withdrawals outlive restarts

fourth: POST /v1/withdrawals {"wallet": $anna.id, "amount": 40, "metadata": {"k": "v"}}
  201

shown: GET /v1/withdrawals/$fourth.id
  200 $fourth

kill

GET /v1/withdrawals/$fourth.id
  same as shown

wallet anna balance 590 held 40 available 550

restart

POST /v1/withdrawals/$fourth.id/settle {"bank_transaction_id": "out-4"}
  200 {"status": "settled", "metadata": {"k": "v"}}

wallet anna balance 550 held 0

== What is not there is not found

GET /v1/withdrawals/$anna.id
  404 not_found

POST /v1/withdrawals {"wallet": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  404 not_found

== Withdrawals are listed by wallet, status, bank id and time

bob: POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $bob.id, "amount": 1000, "bank_transaction_id": "in-2"}
  201

bobs: POST /v1/withdrawals {"wallet": $bob.id, "amount": 5}
  201

LIST /v1/withdrawals?wallet=$bob.id
  200
  ids $bobs.id

LIST /v1/withdrawals?status=pending
  200
  ids $bobs.id

LIST /v1/withdrawals?wallet=$anna.id&status=failed
  200
  ids $silent.id $all.id

LIST /v1/withdrawals?bank_transaction_id=out-2
  200
  ids $pending.id

LIST /v1/withdrawals?wallet=$anna.id
  200
  ids $fourth.id $third.id $silent.id $all.id $pending.id $done.id

LIST /v1/withdrawals?from=$pending.created_at&to=2999-01-01&wallet=$anna.id
  200

LIST /v1/withdrawals?to=2001-01-01
  200
  count 0

LIST /v1/withdrawals?status=open
  400 invalid_request
