# SPDX-License-Identifier: MIT
# Tiers: a number by which limits on spending go (limits themselves are in the configuration).

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201 {"tier": 0, "version": 1}

berta: POST /v1/wallets {"owner": "berta", "currency": "USD", "kind": "merchant", "tier": 15}
  201 {"tier": 15, "kind": "merchant"}

GET /v1/wallets/$berta.id
  200 {"tier": 15, "kind": "merchant"}

== A change is one of the wallet, and the same again is none

PATCH /v1/wallets/$anna.id {"tier": 2}
  200 {"tier": 2, "version": 2, "credit_limit": 0, "status": "active"}

PATCH /v1/wallets/$anna.id {"tier": 2}
  200 {"tier": 2, "version": 2}

PATCH /v1/wallets/$anna.id {"credit_limit": 5}
  200 {"tier": 2, "version": 3}

PATCH /v1/wallets/$anna.id {"tier": 0}
  200 {"tier": 0, "version": 4, "credit_limit": 5}

== Payments leave it as it is

POST /v1/deposits {"wallet": $berta.id, "amount": 10, "bank_transaction_id": "tier"}
  201

wallet berta balance 10 tier 15 version 2

== What is no tier

PATCH /v1/wallets/$anna.id {"tier": 16}
  400 invalid_request
  pointer /tier

POST /v1/wallets {"owner": "anna", "currency": "USD", "tier": -1}
  400 invalid_request
  pointer /tier
