# SPDX-License-Identifier: MIT
# API keys: who may do what, and how keys come and go.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

== Without a key there is nothing but health

as nobody

GET /v1/wallets/$anna.id
  401 unauthenticated

GET /v1/wallets
  401 unauthenticated

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b2"}
  401 unauthenticated

GET /check-integrity
  401 unauthenticated

GET /v1/keys
  401 unauthenticated

GET /v1/wallets/$anna.id
  > Authorization: Bearer
  401 unauthenticated

GET /v1/wallets/$anna.id
  > Authorization: Bearer nonsense
  401 unauthenticated

GET /v1/wallets/$anna.id
  > Authorization: Basic YWRtaW46YWRtaW4=
  401 unauthenticated

GET /healthz
  200
GET /readyz
  200
GET /openapi.json
  200
GET /metrics
  200

as admin

== A key is shown with its secret once

# There is one at first: the one in admin.key.
keys_before: GET /v1/keys
  200 {"items": [{"id": "<key id>", "role": "admin", "created_at": "<time>"}]}
  says role

key: POST /v1/keys {"name": "till 1", "role": "service"}
  201 {"id": "<key id>", "name": "till 1", "role": "service", "secret": "<text>", "created_at": "<time>"}
  fields id name role secret created_at

full: POST /v1/keys {"name": "till 2", "role": "service", "owner": "shop", "expires_in": 3600}
  201 {"owner": "shop", "expires_at": "<time>", "secret": "<text>"}
  fields id name role owner secret created_at expires_at

keys: LIST /v1/keys
  200 {"items": [{"id": $full.id, "name": "till 2", "role": "service", "owner": "shop"},
                 {"id": $key.id, "name": "till 1", "role": "service"}, {"role": "admin", "last_used_at": "<time>"}]}
  ids $full.id $key.id $keys_before.items.0.id

== A key is read where its Location says

located: POST /v1/keys {"name": "till 3", "role": "auditor", "owner": "shop", "expires_in": 3600}
  201

GET /v1/keys/$located.id
  200 {"id": $located.id, "name": "till 3", "role": "auditor", "owner": "shop", "created_at": $located.created_at, "expires_at": $located.expires_at}
  fields id name role owner created_at expires_at

GET /v1/keys/$keys_before.items.0.id
  200 {"role": "admin", "last_used_at": "<time>"}

turned: POST /v1/keys/$located.id/rotate {"overlap": 60}
  200

GET /v1/keys/$located.id
  200 {"id": $located.id, "rotated_at": $turned.rotated_at, "overlap_ends_at": $turned.overlap_ends_at}
  fields id name role owner created_at expires_at rotated_at overlap_ends_at

GET /v1/keys/$located.id?limit=1
  400 invalid_request
  pointer /limit
GET /v1/keys/key_00000000000000000000000000
  404 not_found
GET /v1/keys/key_01h455vb4pex5vsknk084sn02q
  404 not_found
GET /v1/keys/$anna.id
  404 not_found

DELETE /v1/keys/$located.id
  204
GET /v1/keys/$located.id
  404 not_found

== A service does everything but keys

as key $key.secret

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b2"}
  201 {"initiated_by": $key.id}

pending: POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  201 {"initiated_by": $key.id}

POST /v1/withdrawals/$pending.id/fail {}
  200

buy: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 10}
  201 {"initiated_by": $key.id}

POST /v1/refunds {"purchase": $buy.id, "amount": 1}
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  201

hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  201

POST /v1/holds/$hold.id/void {}
  200

POST /v1/wallets {"owner": "bob", "currency": "USD"}
  201

PATCH /v1/wallets/$shop.id {"metadata": {"a": "b"}}
  200

POST /v1/batches {"operations": [{"type": "transfer", "from": $anna.id, "to": $shop.id, "amount": 1}]}
  200 {"results": [{"type": "transfer", "initiated_by": $key.id}]}

GET /check-integrity
  200

GET /v1/wallets
  200

GET /v1/keys
  403 forbidden

GET /v1/keys/$key.id
  403 forbidden

POST /v1/keys {"name": "mine", "role": "admin"}
  403 forbidden

DELETE /v1/keys/$key.id
  403 forbidden

== An auditor reads everything and changes nothing

as auditor

GET /v1/wallets/$anna.id
  200
GET /v1/wallets
  200
GET /v1/wallets/$anna.id/transactions
  200
GET /v1/wallets/$anna.id/balance
  200
GET /v1/transactions
  200
GET /v1/transactions/$buy.id
  200
GET /v1/holds
  200
GET /v1/holds/$hold.id
  200
GET /v1/withdrawals
  200
GET /v1/withdrawals/$pending.id
  200
GET /v1/keys
  200
GET /v1/keys/$key.id
  200 {"id": $key.id, "name": "till 1"}
  no secret
GET /check-integrity
  200 {"consistent": true}

POST /v1/wallets {"owner": "eve", "currency": "USD"}
  403 forbidden
PATCH /v1/wallets/$anna.id {"status": "frozen"}
  403 forbidden
POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b3"}
  403 forbidden
POST /v1/withdrawals {"wallet": $anna.id, "amount": 1}
  403 forbidden
POST /v1/withdrawals/$pending.id/settle {"bank_transaction_id": "b3"}
  403 forbidden
POST /v1/withdrawals/$pending.id/fail {}
  403 forbidden
POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  403 forbidden
POST /v1/refunds {"purchase": $buy.id}
  403 forbidden
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  403 forbidden
POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1}
  403 forbidden
POST /v1/holds/$hold.id/capture {}
  403 forbidden
POST /v1/holds/$hold.id/void {}
  403 forbidden
POST /v1/keys {"name": "mine", "role": "admin"}
  403 forbidden
DELETE /v1/keys/$key.id
  403 forbidden

as admin

LIST /v1/wallets?owner=eve
  200
  count 0

== A revoked key ends at once, others don't

doomed: POST /v1/keys {"name": "doomed", "role": "service"}
  201

as key $doomed.secret
GET /v1/wallets/$anna.id
  200

as admin
DELETE /v1/keys/$doomed.id
  204

as key $doomed.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  401 unauthenticated

as key $key.secret
GET /v1/wallets/$anna.id
  200

as admin
DELETE /v1/keys/key_01h455vb4pex5vsknk084sn02q
  404 not_found

== A key is over when it expires

brief: POST /v1/keys {"name": "brief", "role": "service", "expires_in": 1}
  201 {"expires_at": "<time>"}

as key $brief.secret
GET /v1/wallets/$anna.id
  200

wait 1.05
GET /v1/wallets/$anna.id
  401 unauthenticated
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  401 unauthenticated

as admin

== A replayed creation has no secret

once: POST /v1/keys {"name": "once", "role": "service", "expires_in": 60}
  > Idempotency-Key: key-1
  201
  fields id name role secret created_at expires_at

POST /v1/keys {"name": "once", "role": "service", "expires_in": 60}
  > Idempotency-Key: key-1
  201 {"id": $once.id, "name": "once", "role": "service", "created_at": $once.created_at, "expires_at": $once.expires_at}
  fields id name role created_at expires_at
  no secret
  replayed

POST /v1/keys {"name": "twice", "role": "service"}
  > Idempotency-Key: key-1
  422 idempotency_key_reused

LIST /v1/keys
  200
  says once

# It still opens the door.
as key $once.secret
GET /v1/wallets/$anna.id
  200
as admin

== Fields of a key

POST /v1/keys {"role": "service"}
  400 invalid_request
  pointer /name

POST /v1/keys {"name": "x"}
  400 invalid_request
  pointer /role

POST /v1/keys {"name": "x", "role": "king"}
  400 invalid_request
  pointer /role

POST /v1/keys {"name": "", "role": "service"}
  400 invalid_request
  pointer /name

POST /v1/keys {"name": "x", "role": "service", "expires_in": 0}
  400 invalid_request
  pointer /expires_in

POST /v1/keys {"name": "x", "role": "service", "expires_in": 31622401}
  400 invalid_request
  pointer /expires_in

POST /v1/keys {"name": "x", "role": "service", "secret": "chosen"}
  400 invalid_request
  pointer /secret

== The last live admin key can't be revoked

second: POST /v1/keys {"name": "second", "role": "admin"}
  201 {"role": "admin"}

DELETE /v1/keys/$keys_before.items.0.id
  204

as key $second.secret

DELETE /v1/keys/$second.id
  409 last_admin_key

GET /v1/wallets/$anna.id
  200

third: POST /v1/keys {"name": "third", "role": "admin"}
  201

DELETE /v1/keys/$third.id
  204

DELETE /v1/keys/$second.id
  409 last_admin_key

== A key gets a new secret, and the old one works until the overlap ends

rotating: POST /v1/keys {"name": "rotating", "role": "service", "owner": "shop", "expires_in": 3600}
  201

as key $rotating.secret
paid: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: before-rotation
  201 {"initiated_by": $rotating.id}
POST /v1/keys/$rotating.id/rotate {}
  403 forbidden
as key $second.secret

rotated: POST /v1/keys/$rotating.id/rotate {"overlap": 60}
  > Idempotency-Key: rotation-1
  200 {"id": $rotating.id, "name": "rotating", "role": "service", "owner": "shop",
       "created_at": $rotating.created_at, "expires_at": $rotating.expires_at,
       "rotated_at": "<time>", "overlap_ends_at": "<time>", "secret": "<text>"}

# Sent again, it rotates nothing, and shows no secret.
POST /v1/keys/$rotating.id/rotate {"overlap": 60}
  > Idempotency-Key: rotation-1
  200 {"id": $rotating.id, "rotated_at": $rotated.rotated_at}
  no secret
  replayed
POST /v1/keys/$rotating.id/rotate {"overlap": 61}
  > Idempotency-Key: rotation-1
  422 idempotency_key_reused

GET /v1/keys?limit=1
  200 {"items": [{"id": $rotating.id, "name": "rotating", "owner": "shop", "rotated_at": $rotated.rotated_at,
                  "overlap_ends_at": $rotated.overlap_ends_at, "expires_at": $rotated.expires_at}]}

# Both secrets are the same principal, so a retry keeps its meaning.
as key $rotating.secret
GET /v1/wallets/$anna.id
  200
as key $rotated.secret
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Idempotency-Key: before-rotation
  201 {"id": $paid.id}
  replayed

restart
as key $rotating.secret
GET /v1/wallets/$anna.id
  200
as key $second.secret

# Only the last secret overlaps. What the key expires at can be moved.
again: POST /v1/keys/$rotating.id/rotate {"overlap": 1, "expires_in": 7200}
  200 {"id": $rotating.id, "expires_at": "<time>", "overlap_ends_at": "<time>", "secret": "<text>"}
as key $rotating.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
wait 1.05
as key $rotated.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
as key $again.secret
GET /v1/wallets/$anna.id
  200
as key $second.secret

# Without an overlap the old secret ends at once.
last: POST /v1/keys/$rotating.id/rotate {"overlap": 0}
  200 {"id": $rotating.id, "expires_at": $again.expires_at}
  no overlap_ends_at
as key $again.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
as key $last.secret
GET /v1/wallets/$anna.id
  200
as key $second.secret

# Whoever revokes a key revokes both of its secrets, also one that overlaps, for good.
both: POST /v1/keys/$rotating.id/rotate {"overlap": 3600}
  200
as key $last.secret
GET /v1/wallets/$anna.id
  200
as key $second.secret
DELETE /v1/keys/$rotating.id
  204
as key $last.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
as key $both.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
restart
GET /v1/wallets/$anna.id
  401 unauthenticated
as key $last.secret
GET /v1/wallets/$anna.id
  401 unauthenticated
as key $second.secret
POST /v1/keys/$rotating.id/rotate {"overlap": 60}
  404 not_found
rotating: POST /v1/keys {"name": "rotating once more", "role": "service"}
  201

POST /v1/keys/$rotating.id/rotate {"overlap": 2592001}
  400 invalid_request
  pointer /overlap
POST /v1/keys/$rotating.id/rotate {"overlap": -1}
  400 invalid_request
  pointer /overlap
POST /v1/keys/$third.id/rotate {}
  404 not_found
POST /v1/keys/$anna.id/rotate {}
  404 not_found

== Keys survive restarts, and so do their ends

kill

as key $key.secret
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  201 {"initiated_by": $key.id}

as key $doomed.secret
GET /v1/wallets/$anna.id
  401 unauthenticated

as key $second.secret
GET /v1/wallets/$anna.id
  200

DELETE /v1/keys/$second.id
  409 last_admin_key

restart

as key $third.secret
GET /v1/wallets/$anna.id
  401 unauthenticated

as key $second.secret
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  201 {"initiated_by": $second.id}
