# SPDX-License-Identifier: MIT
# Currencies: ISO 4217 with their exponents, own ones from the configuration, and what the books remember of them.
config {"currencies": {"POINTS": {"exponent": 0}, "GOLD24K": {"exponent": 4}, "ABCDEFGHIJ12": {"exponent": 2}}}

== Amounts are minor units, whatever the exponent

yen: POST /v1/wallets {"owner": "yuki", "currency": "JPY"}
  201 {"currency": "JPY"}

POST /v1/deposits {"wallet": $yen.id, "amount": 1, "bank_transaction_id": "y1"}
  201 {"amount": 1, "currency": "JPY", "debit": {"account": "external:JPY"},
       "credit": {"account": $yen.id, "balance": 1, "version": 2}}

dinar: POST /v1/wallets {"owner": "badr", "currency": "BHD"}
  201 {"currency": "BHD"}

POST /v1/deposits {"wallet": $dinar.id, "amount": 12345, "bank_transaction_id": "d1"}
  201 {"amount": 12345, "currency": "BHD"}

points: POST /v1/wallets {"owner": "anna", "currency": "POINTS"}
  201 {"currency": "POINTS"}

POST /v1/deposits {"wallet": $points.id, "amount": 250, "bank_transaction_id": "p1"}
  201 {"currency": "POINTS", "debit": {"account": "external:POINTS"}}

POST /v1/wallets {"owner": "anna", "currency": "GOLD24K"}
  201

POST /v1/wallets {"owner": "anna", "currency": "ABCDEFGHIJ12"}
  201

== Nobody else's currencies

POST /v1/wallets {"owner": "anna", "currency": "COINS"}
  400 invalid_request
  pointer /currency

POST /v1/wallets {"owner": "anna", "currency": "usd"}
  400 invalid_request
  pointer /currency

POST /v1/wallets {"owner": "anna", "currency": "points"}
  400 invalid_request

POST /v1/wallets {"owner": "anna", "currency": "US"}
  400 invalid_request

POST /v1/wallets {"owner": "anna", "currency": "QQQ"}
  400 invalid_request

POST /v1/wallets {"owner": "anna", "currency": ""}
  400 invalid_request

POST /v1/wallets {"owner": "anna", "currency": 840}
  400 invalid_request

== Money never changes its currency

dollar: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $dollar.id, "amount": 100, "bank_transaction_id": "u1", "currency": "USD"}
  201

POST /v1/deposits {"wallet": $dollar.id, "amount": 100, "bank_transaction_id": "u2", "currency": "EUR"}
  422 currency_mismatch
  says $dollar.id

POST /v1/transfers {"from": $dollar.id, "to": $points.id, "amount": 1}
  422 currency_mismatch

POST /v1/transfers {"from": $dollar.id, "to": $points.id, "amount": 1, "currency": "USD"}
  422 currency_mismatch

POST /v1/withdrawals {"wallet": $dollar.id, "amount": 1, "currency": "JPY"}
  422 currency_mismatch

pshop: POST /v1/wallets {"owner": "shop", "currency": "POINTS", "kind": "merchant"}
  201

POST /v1/purchases {"wallet": $dollar.id, "merchant": $pshop.id, "amount": 1}
  422 currency_mismatch

POST /v1/holds {"wallet": $dollar.id, "merchant": $pshop.id, "amount": 1}
  422 currency_mismatch

buy: POST /v1/purchases {"wallet": $points.id, "merchant": $pshop.id, "amount": 50, "currency": "POINTS"}
  201 {"currency": "POINTS"}

POST /v1/purchases {"wallet": $points.id, "merchant": $pshop.id, "amount": 50, "currency": "USD"}
  422 currency_mismatch

POST /v1/refunds {"purchase": $buy.id, "amount": 1, "currency": "USD"}
  422 currency_mismatch

POST /v1/refunds {"purchase": $buy.id, "amount": 1, "currency": "POINTS"}
  201

hold: POST /v1/holds {"wallet": $points.id, "merchant": $pshop.id, "amount": 10, "currency": "POINTS"}
  201

POST /v1/holds/$hold.id/capture {"currency": "USD"}
  422 currency_mismatch

POST /v1/holds/$hold.id/capture {"currency": "POINTS"}
  201

# None of the refusals has taken anything, nor a bank id.
wallet dollar balance 100 held 0 version 2

POST /v1/deposits {"wallet": $dollar.id, "amount": 100, "bank_transaction_id": "u2"}
  201

== Wallets are found by their currency

LIST /v1/wallets?currency=POINTS
  200
  ids $pshop.id $points.id

== An exponent that was used is written into the books

config {"currencies": {"POINTS": {"exponent": 2}, "GOLD24K": {"exponent": 4}}}
refuses "POINTS"

config {"currencies": {"POINTS": {"exponent": 0}, "GOLD24K": {"exponent": 4}, "ABCDEFGHIJ12": {"exponent": 2}}}
restart
wallet points balance 191 held 0 currency POINTS

# New ones may join.
config {"currencies": {"POINTS": {"exponent": 0}, "GOLD24K": {"exponent": 4}, "ABCDEFGHIJ12": {"exponent": 2}, "MILES": {"exponent": 1}}}
restart

POST /v1/wallets {"owner": "anna", "currency": "MILES"}
  201

== The books of each currency stand for themselves

check: GET /check-integrity
  200 {"consistent": true}
