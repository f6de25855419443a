# SPDX-License-Identifier: MIT
# What operators look at: health, the integrity of the books, the API's own description.

== A new ledger is consistent

GET /check-integrity
  200 {"consistent": true, "message": "<text>"}

== After money has moved, the sums are told per currency

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
euro: POST /v1/wallets {"owner": "anna", "currency": "EUR"}
  201
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201
POST /v1/deposits {"wallet": $euro.id, "amount": 77, "bank_transaction_id": "b1"}
  201
POST /v1/withdrawals {"wallet": $anna.id, "amount": 300, "bank_transaction_id": "b2"}
  201
# A pending withdrawal is still balance.
POST /v1/withdrawals {"wallet": $anna.id, "amount": 11}
  201

GET /check-integrity
  200 {"consistent": true, "message": "<text>"}
  says wallet_balances deposits withdrawals difference USD EUR 700 1000 300 77

== Health, readiness, metrics and the description need no key

as nobody

GET /healthz
  200
GET /readyz
  200
GET /metrics
  200
  says "# TYPE"
GET /openapi.json
  200 {"openapi": "<text>", "paths": {}}

as auditor
GET /healthz
  200

== Problems say where they come from

as admin

missing: GET /v1/wallets/wallet_01h455vb4pex5vsknk084sn02q
  404 not_found {"status": 404, "code": "not_found", "title": "<text>", "detail": "<text>"}
  says wallet_01h455vb4pex5vsknk084sn02q
  < Content-Type: application/problem+json

poor: POST /v1/withdrawals {"wallet": $anna.id, "amount": 5000}
  422 insufficient_funds {"title": "<text>", "detail": "<text>"}
  says $anna.id "689" "5000"

full: PATCH /v1/wallets/$anna.id {"status": "closed"}
  409 wallet_not_empty
  says $anna.id "700"
