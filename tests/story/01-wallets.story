# SPDX-License-Identifier: MIT
# Wallets: what they show, who owns them, what may change and what may not.

== A wallet shows all its fields and nothing else

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201 {"id": "<wallet id>", "owner": "anna", "kind": "customer", "currency": "USD", "status": "active",
       "balance": 0, "held": 0, "available": 0, "credit_limit": 0, "version": 1, "created_at": "<time>"}
  fields id owner kind currency status balance held available credit_limit tier version created_at
  < ETag: "1"
  < Content-Type: application/json

GET /v1/wallets/$anna.id
  200 {"id": $anna.id, "owner": "anna", "balance": 0, "version": 1, "created_at": $anna.created_at}
  fields id owner kind currency status balance held available credit_limit tier version created_at
  < ETag: "1"

shop: POST /v1/wallets
    {"owner": "shop", "currency": "USD", "kind": "merchant", "credit_limit": 500,
     "metadata": {"city": "Firenze", "sign": "fiore d'oro ✿"}}
  201 {"kind": "merchant", "credit_limit": 500, "balance": 0, "available": 0, "version": 1,
       "metadata": {"city": "Firenze", "sign": "fiore d'oro ✿"}}
  fields id owner kind currency status balance held available credit_limit tier version created_at metadata

== An owner may have many wallets, also in one currency

anna2: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201 {"owner": "anna", "currency": "USD"}

anna3: POST /v1/wallets {"owner": "anna", "currency": "EUR", "kind": "merchant"}
  201 {"owner": "anna", "currency": "EUR", "kind": "merchant"}

LIST /v1/wallets?owner=anna
  200
  ids $anna3.id $anna2.id $anna.id

== Every letter of an owner counts, as long as a text may be

POST /v1/wallets {"owner": $repeat("x", 255), "currency": "USD"}
  201 {"owner": $repeat("x", 255)}

accents: POST /v1/wallets {"owner": $repeat("é", 255), "currency": "USD"}
  201 {"owner": $repeat("é", 255)}

GET /v1/wallets/$accents.id
  200 {"owner": $repeat("é", 255)}

POST /v1/wallets {"owner": "A\u006e\u006eA \"q\" \\ / \ud83d\ude00", "currency": "USD"}
  201 {"owner": "AnnA \"q\" \\ / 😀"}

LIST /v1/wallets?owner=AnnA%20%22q%22%20%5C%20/%20%F0%9F%98%80
  200
  count 1

== PATCH changes status, credit limit and metadata, and each change is one version

PATCH /v1/wallets/$anna.id {"status": "frozen", "reason": "a lost telephone"}
  200 {"status": "frozen", "version": 2}
  < ETag: "2"
  no reason

PATCH /v1/wallets/$anna.id {"credit_limit": 700}
  200 {"status": "frozen", "credit_limit": 700, "available": 0, "version": 3}

PATCH /v1/wallets/$anna.id {"metadata": {"tier": "gold", "note": "x"}}
  200 {"metadata": {"tier": "gold", "note": "x"}, "version": 4}

PATCH /v1/wallets/$anna.id {"status": "active", "credit_limit": 0, "metadata": {"tier": "silver"}}
  200 {"status": "active", "credit_limit": 0, "metadata": {"tier": "silver"}, "version": 5}

meta: GET /v1/wallets/$anna.id
  200 {"status": "active", "version": 5, "credit_limit": 0}
  < ETag: "5"

== Metadata is replaced whole

PATCH /v1/wallets/$anna.id {"metadata": {"other": "1"}}
  200 {"metadata": {"other": "1"}, "version": 6}

replaced: GET /v1/wallets/$anna.id
  200 {"metadata": {"other": "1"}}

== A PATCH that changes nothing is no new version

PATCH /v1/wallets/$anna.id {"status": "active"}
  200 {"version": 6}
  < ETag: "6"

PATCH /v1/wallets/$anna.id {"metadata": {"other": "1"}, "credit_limit": 0, "reason": "nothing"}
  200 {"version": 6}

== The owner, kind and currency of a wallet never change

PATCH /v1/wallets/$anna.id {"owner": "bob"}
  400 invalid_request
  pointer /owner

PATCH /v1/wallets/$anna.id {"kind": "merchant"}
  400 invalid_request
  pointer /kind

PATCH /v1/wallets/$anna.id {"currency": "EUR"}
  400 invalid_request
  pointer /currency

PATCH /v1/wallets/$anna.id {"balance": 5}
  400 invalid_request
  pointer /balance

wallet anna version 6 owner anna kind customer

== What is not there is not found

GET /v1/wallets/wallet_01h455vb4pex5vsknk084sn02q
  404 not_found

GET /v1/wallets/nobody
  404 not_found

PATCH /v1/wallets/wallet_01h455vb4pex5vsknk084sn02q {"status": "frozen"}
  404 not_found

GET /v1/wallets/wallet_01h455vb4pex5vsknk084sn02q/transactions
  404 not_found

GET /v1/wallets/wallet_01h455vb4pex5vsknk084sn02q/balance
  404 not_found

# A wallet's id is not a hold's, a withdrawal's or a transaction's.
GET /v1/holds/$anna.id
  404 not_found

GET /v1/withdrawals/$anna.id
  404 not_found

GET /v1/transactions/$anna.id
  404 not_found

== Everything is there after a restart

restart

GET /v1/wallets/$anna.id
  200
  same as replaced

LIST /v1/wallets?owner=anna
  200
  ids $anna3.id $anna2.id $anna.id

GET /v1/wallets/$shop.id
  200 {"metadata": {"city": "Firenze", "sign": "fiore d'oro ✿"}, "credit_limit": 500}
