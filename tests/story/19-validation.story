# SPDX-License-Identifier: MIT
# What no request may be: every way to be invalid, and where the problem points.

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201

== No JSON, or not quite

POST /v1/transfers
  400 invalid_request

POST /v1/transfers nonsense
  400 invalid_request

POST /v1/transfers $bytes("ef bb bf"){"from": $anna.id, "to": $shop.id, "amount": 1}
  400 invalid_request

POST /v1/transfers {
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1} x
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}{}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1,}
  400 invalid_request

POST /v1/transfers {'from': $anna.id, "to": $shop.id, "amount": 1}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 01}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": +1}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": NaN}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 0x1}
  400 invalid_request

POST /v1/transfers // a comment
    {"from": $anna.id, "to": $shop.id, "amount": 1}
  400 invalid_request

POST /v1/transfers []
  400 invalid_request

POST /v1/transfers "text"
  400 invalid_request

POST /v1/transfers 17
  400 invalid_request

POST /v1/transfers null
  400 invalid_request

POST /v1/transfers $repeat("[", 3000)
  400 invalid_request

POST /v1/transfers {"from": {"from": {"from": {"from": {"from": {"from": {}}}}}}, "to": $shop.id, "amount": 1}
  400 invalid_request
  pointer /from

== Bytes that are no text

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "$bytes("ff")"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "$bytes("c3 28")"}
  400 invalid_request

# Overlong, a surrogate, beyond the last letter.
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "$bytes("c0 af")"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "$bytes("ed a0 80")"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "$bytes("f4 90 80 80")"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "cut $bytes("e2 82")"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "\ud800"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a$bytes("00")b"}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a$bytes("0a")b"}
  400 invalid_request

== Control characters, written out or not

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a\nb"}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a\tb"}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a\u0000b"}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a\u001fb"}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": "a\u007fb"}
  400 invalid_request
  pointer /reference

POST /v1/wallets {"owner": "an\rna", "currency": "USD"}
  400 invalid_request
  pointer /owner

== Fields that nobody knows, twice, or not at all

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "colour": "red"}
  400 invalid_request
  pointer /colour

POST /v1/batches {"operation": []}
  400 invalid_request
  pointer /operation

DELETE /v1/keys/$anna.id {"colour": "red"}
  404 not_found

GET /v1/wallets?colour=red
  400 invalid_request
  pointer /colour

GET /v1/wallets/$anna.id?colour=red
  400 invalid_request
  pointer /colour

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "Amount": 1}
  400 invalid_request
  pointer /Amount

# A pointer's "/" and "~" are escaped (RFC 6901).
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "a/b~c": 1}
  400 invalid_request
  pointer /a~1b~0c

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "amount": 1}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "am\u006funt": 2}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "amount": 1}
  400 invalid_request
  pointer /to

# Whatever is wrong is named, all of it.
POST /v1/transfers {"from": $anna.id, "amount": "1", "colour": "red"}
  400 invalid_request
  pointer /to
  pointer /amount
  pointer /colour

POST /v1/transfers {}
  400 invalid_request
  pointer /from
  pointer /to
  pointer /amount

POST /v1/wallets {"currency": "USD"}
  400 invalid_request
  pointer /owner

POST /v1/wallets {"owner": "x"}
  400 invalid_request
  pointer /currency

POST /v1/purchases {"wallet": $anna.id, "amount": 1}
  400 invalid_request
  pointer /merchant

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id}
  400 invalid_request
  pointer /amount

POST /v1/refunds {"amount": 5}
  400 invalid_request
  pointer /purchase

# The id belongs into the path, not into the body.
POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/capture {"hold": "x"}
  400 invalid_request
  pointer /hold

# `type` is of batches.
POST /v1/transfers {"type": "transfer", "from": $anna.id, "to": $shop.id, "amount": 1}
  400 invalid_request
  pointer /type

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "idempotency_key": "k"}
  400 invalid_request
  pointer /idempotency_key

== Amounts are integers

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1.0}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1.5}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1e2}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": "100"}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": true}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": null}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": [1]}
  400 invalid_request
  pointer /amount

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": -0}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 99999999999999999999999999999999999999}
  400 invalid_request

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1E400}
  400 invalid_request

== Texts are texts of 1 to 255 characters

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": ""}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": 17}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": $repeat("x", 256)}
  400 invalid_request
  pointer /reference

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": $repeat("€", 256)}
  400 invalid_request
  pointer /reference

moved: POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": $repeat("x", 255)}
  201 {"reference": $repeat("x", 255)}

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": $repeat("😀", 255)}
  201 {"reference": $repeat("😀", 255)}

POST /v1/wallets {"owner": "", "currency": "USD"}
  400 invalid_request
  pointer /owner

POST /v1/wallets {"owner": $repeat("x", 256), "currency": "USD"}
  400 invalid_request
  pointer /owner

POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "order": $repeat("x", 256)}
  400 invalid_request
  pointer /order

PATCH /v1/wallets/$anna.id {"reason": $repeat("x", 256)}
  400 invalid_request
  pointer /reason

PATCH /v1/wallets/$anna.id {"reason": ""}
  400 invalid_request
  pointer /reason

== Words are those that are listed

POST /v1/wallets {"owner": "x", "currency": "USD", "kind": "thief"}
  400 invalid_request
  pointer /kind

PATCH /v1/wallets/$anna.id {"status": "asleep"}
  400 invalid_request
  pointer /status

PATCH /v1/wallets/$anna.id {"status": "Frozen"}
  400 invalid_request
  pointer /status

POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/capture {"final": "yes"}
  400 invalid_request
  pointer /final

POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/capture {"final": 0}
  400 invalid_request
  pointer /final

POST /v1/holds/hold_01h455vb4pex5vsknk084sn02q/capture {"amount": 0}
  400 invalid_request
  pointer /amount

== A hold lasts 1 second to 366 days

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "expires_in": 0}
  400 invalid_request
  pointer /expires_in

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "expires_in": 31622401}
  400 invalid_request
  pointer /expires_in

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "expires_in": "60"}
  400 invalid_request
  pointer /expires_in

POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "expires_in": 60.5}
  400 invalid_request
  pointer /expires_in

held: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 1, "expires_in": 31622400}
  201

== Metadata is at most 32 texts

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": $metadata(32)}
  201 {"metadata": $metadata(32)}

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": $metadata(33)}
  400 invalid_request
  pointer /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {$repeat("n", 64): $repeat("v", 512)}}
  201 {"metadata": {$repeat("n", 64): $repeat("v", 512)}}

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {$repeat("n", 65): "v"}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": $repeat("v", 513)}}
  400 invalid_request
  says /metadata

# These limits count bytes.
POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {$repeat("é", 33): "v"}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": $repeat("é", 257)}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": $repeat("é", 256)}}
  201

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": 1}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": {"m": "v"}}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": "a", "n": "b"}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": {"n": "a\nb"}}
  400 invalid_request
  says /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": []}
  400 invalid_request
  pointer /metadata

POST /v1/wallets {"owner": "x", "currency": "USD", "metadata": "text"}
  400 invalid_request
  pointer /metadata

== The body is JSON, and says so

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Content-Type: text/plain
  415 unsupported_media_type

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Content-Type: application/x-www-form-urlencoded
  415 unsupported_media_type

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Content-Type: application/jsonp
  415 unsupported_media_type

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Content-Type: application/json; charset=utf-8
  201

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1}
  > Content-Type: Application/JSON
  201

== Too large is too large

POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1, "reference": $repeat("x", 66000)}
  413 request_too_large

# A body of many spaces is just as long.
POST /v1/transfers {"from": $anna.id, "to": $shop.id, "amount": 1 $spaces(66000)}
  413 request_too_large

POST /v1/batches {"operations": [{"type": "void", "hold": $repeat("x", 17000000)}]}
  413 request_too_large

== Paths and methods that are not there

GET /v1
  404 not_found
GET /v1/
  404 not_found
GET /v1/wallet
  404 not_found
# An id of the wrong form, or of something else.
GET /v1/wallets/anna
  404 not_found
GET /v1/wallets/$held.id/balance
  404 not_found
POST /v1/holds/$anna.id/capture {}
  404 not_found
GET /v1/operations/$anna.id
  404 not_found
GET /v2/wallets
  404 not_found
POST /v1/wallets/$anna.id/freeze {}
  404 not_found
GET /v1/wallets/$anna.id/transactions/
  404 not_found
GET /v1/wallets/$anna.id/owner
  404 not_found
# An id that nothing has, and not "all of them".
GET /v1/wallets/wallet_00000000000000000000000000/transactions
  404 not_found
GET /v1/wallets/wallet_00000000000000000000000000/transactions?type=deposit
  404 not_found
GET /v1/wallets/wallet_00000000000000000000000000
  404 not_found
GET /v1/withdrawals?wallet=wallet_00000000000000000000000000
  200 {"items": []}
GET /V1/wallets
  404 not_found

PUT /v1/wallets/$anna.id {"status": "frozen"}
  405 method_not_allowed
DELETE /v1/wallets/$anna.id
  405 method_not_allowed
DELETE /v1/transactions/$moved.id
  405 method_not_allowed
PATCH /v1/wallets {"status": "frozen"}
  405 method_not_allowed
GET /v1/deposits
  405 method_not_allowed
GET /v1/batches
  405 method_not_allowed
GET /v1/holds/$held.id/void
  405 method_not_allowed
POST /check-integrity {}
  405 method_not_allowed
PATCH /v1/keys/$moved.initiated_by {}
  405 method_not_allowed

== Nothing of all this has moved a coin

wallet anna balance 996 held 1
