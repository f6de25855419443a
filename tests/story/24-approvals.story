# SPDX-License-Identifier: MIT
# What waits for a second person: adjustments, and payments above an amount.
config {"currencies": {"POINTS": {"exponent": 0}}, "approvals": {"above": {"USD": 1000, "JPY": 5}}}

as service

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
bert: POST /v1/wallets {"owner": "bert", "currency": "USD"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
yen: POST /v1/wallets {"owner": "anna", "currency": "JPY"}
  201
points: POST /v1/wallets {"owner": "anna", "currency": "POINTS"}
  201
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b2"}
  201

== Each currency has an amount of its own, or none

large: POST /v1/deposits {"wallet": $anna.id, "amount": 1001, "bank_transaction_id": "b3"}
  202 {"status": "pending", "operation": "deposit", "wallet": $anna.id, "amount": 1001, "currency": "USD", "request": {"wallet": $anna.id, "amount": 1001, "bank_transaction_id": "b3"}}
  no decided_by
POST /v1/deposits {"wallet": $yen.id, "amount": 5, "bank_transaction_id": "b4"}
  201
POST /v1/deposits {"wallet": $yen.id, "amount": 6, "bank_transaction_id": "b5"}
  202 {"currency": "JPY"}
POST /v1/deposits {"wallet": $points.id, "amount": 9007199254740991, "bank_transaction_id": "b6"}
  201
wallet anna balance 2000 version 3

== What the rules refuse is refused at once

POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 2001}
  422 insufficient_funds
POST /v1/transfers {"from": $anna.id, "to": $yen.id, "amount": 1500}
  422 currency_mismatch

== Nobody decides about his own request, and nobody without the permission about any

first: POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 1500, "reference": "rent"}
  > Idempotency-Key: rent
  202 {"status": "pending"}
POST /v1/approvals/$first.id/approve {}
  403 forbidden

as operator

mine: POST /v1/adjustments {"wallet": $bert.id, "direction": "credit", "amount": 250, "reason": "a lost deposit"}
  > Idempotency-Key: lost
  202 {"status": "pending", "operation": "adjustment", "request": {"direction": "credit", "reason": "a lost deposit"}}
POST /v1/approvals/$mine.id/approve {}
  403 second_principal_needed
POST /v1/approvals/$mine.id/reject {}
  403 second_principal_needed
POST /v1/approvals/apr_01h455vb4pex5vsknk084sn02q/approve {}
  404 not_found
wallet bert balance 0 version 1

== Approving carries it out, as who asked, and once

as operator2

yes: POST /v1/approvals/$mine.id/approve {"reason": "seen the letter"}
  > Idempotency-Key: yes
  200 {"status": "approved", "reason": "seen the letter", "requested_by": $mine.requested_by}
POST /v1/approvals/$mine.id/approve {"reason": "seen the letter"}
  > Idempotency-Key: yes
  200
  same as yes
  replayed
POST /v1/approvals/$mine.id/approve {}
  409 approval_not_pending
POST /v1/approvals/$mine.id/reject {}
  409 approval_not_pending
GET /v1/transactions/$yes.transaction
  200 {"type": "adjustment", "amount": 250, "reason": "a lost deposit", "initiated_by": $mine.requested_by, "debit": {"account": "external:USD"}, "credit": {"account": $bert.id, "balance": 250}}
wallet bert balance 250 version 2

sent: POST /v1/approvals/$first.id/approve {}
  200 {"status": "approved"}
GET /v1/transactions/$sent.transaction
  200 {"type": "transfer", "reference": "rent", "initiated_by": $first.requested_by}
wallet anna balance 500 version 4

as service
POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 1500, "reference": "rent"}
  > Idempotency-Key: rent
  202
  same as first
  replayed
wallet anna balance 500 version 4

== It is decided again, on what is then

again: POST /v1/transfers {"from": $bert.id, "to": $anna.id, "amount": 1600}
  202
POST /v1/transfers {"from": $bert.id, "to": $anna.id, "amount": 400}
  201
as operator
POST /v1/approvals/$again.id/approve {}
  200 {"status": "refused", "refusal": {"code": "insufficient_funds"}}
  no transaction
wallet bert balance 1350 version 4

== Rejected is rejected

POST /v1/approvals/$large.id/reject {"reason": "no such transfer"}
  200 {"status": "rejected", "reason": "no such transfer"}
  no transaction
POST /v1/approvals/$large.id/approve {}
  409 approval_not_pending

== In a batch one waits and the others do not; all or nothing cannot wait

as service
mixed: POST /v1/batches {"operations": [{"type": "transfer", "from": $anna.id, "to": $bert.id, "amount": 1}, {"type": "transfer", "from": $bert.id, "to": $anna.id, "amount": 1001}]}
  200 {"results": [{"type": "transfer"}, {"status": "pending", "amount": 1001}]}
POST /v1/batches {"atomic": true, "operations": [{"type": "transfer", "from": $anna.id, "to": $bert.id, "amount": 1}, {"type": "transfer", "from": $bert.id, "to": $anna.id, "amount": 1001}]}
  422 approval_required
  says operation
wallet bert balance 1351 version 5

== Adjustments out of a wallet, as far as its money goes

as operator
out: POST /v1/adjustments {"wallet": $anna.id, "direction": "debit", "amount": 99, "reason": "paid twice"}
  202
POST /v1/adjustments {"wallet": $anna.id, "direction": "debit", "amount": 900, "reason": "too much"}
  422 insufficient_funds
POST /v1/adjustments {"wallet": $anna.id, "direction": "sideways", "amount": 9, "reason": "x"}
  400 invalid_request
  pointer /direction
POST /v1/adjustments {"wallet": $anna.id, "direction": "debit", "amount": 9}
  400 invalid_request
  pointer /reason
as admin
POST /v1/approvals/$out.id/approve {}
  200 {"status": "approved"}
wallet anna balance 800

== Deposits and withdrawals count them

GET /check-integrity
  200 {"consistent": true, "currencies": [{"currency": "USD", "wallet_balances": 2151, "deposits": 2250, "withdrawals": 99, "difference": 0}, {"currency": "JPY"}, {"currency": "POINTS"}]}

== What waits outlives a restart

kill

as service
GET /v1/approvals?status=pending
  200
  count 2
GET /v1/approvals/$first.id
  200 {"status": "approved", "transaction": $sent.transaction}
as operator
POST /v1/approvals/$mixed.results.1.id/approve {}
  200 {"status": "approved"}
wallet bert balance 350
