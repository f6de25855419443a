# SPDX-License-Identifier: MIT
# Lists: newest first, in pages, with filters; only a missing next_cursor means the end.

== Wallets by owner, kind, status and currency

w1: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
w2: POST /v1/wallets {"owner": "anna", "currency": "EUR"}
  201
w3: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
w4: POST /v1/wallets {"owner": "anna", "currency": "USD", "kind": "merchant"}
  201
w5: POST /v1/wallets {"owner": "annabel", "currency": "USD"}
  201

PATCH /v1/wallets/$w1.id {"status": "frozen"}
  200

LIST /v1/wallets
  200
  ids $w5.id $w4.id $w3.id $w2.id $w1.id

LIST /v1/wallets?owner=anna
  200
  ids $w4.id $w2.id $w1.id

LIST /v1/wallets?kind=merchant
  200
  ids $w4.id $w3.id

LIST /v1/wallets?status=frozen
  200
  ids $w1.id

LIST /v1/wallets?status=active&currency=USD&kind=customer
  200
  ids $w5.id

LIST /v1/wallets?owner=anna&currency=EUR
  200
  ids $w2.id

LIST /v1/wallets?owner=nobody
  200
  count 0

page: GET /v1/wallets?owner=nobody
  200 {"items": []}
  no next_cursor

# Whole objects, as when read alone.
GET /v1/wallets?owner=shop
  200 {"items": [$w3]}

== Pages

POST /v1/deposits {"wallet": $w5.id, "amount": 100, "bank_transaction_id": "b1"}
  201
t1: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201
t2: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 2}
  201
t3: POST /v1/purchases {"wallet": $w5.id, "merchant": $w4.id, "amount": 3, "order": "o-1"}
  201
t4: POST /v1/transfers {"from": $w5.id, "to": $w3.id, "amount": 4}
  201
t5: POST /v1/refunds {"purchase": $t3.id, "amount": 1}
  201

p1: GET /v1/wallets/$w5.id/transactions?limit=2
  200
  ids $t5.id $t4.id

p2: GET /v1/wallets/$w5.id/transactions?limit=2&cursor=$p1.next_cursor
  200
  ids $t3.id $t2.id

# New things don't disturb a walk that has begun.
t6: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201

p3: GET /v1/wallets/$w5.id/transactions?limit=2&cursor=$p2.next_cursor
  200 {"items": [{"id": $t1.id}, {"type": "deposit"}]}

GET /v1/wallets/$w5.id/transactions?limit=2&cursor=$p1.next_cursor
  200
  ids $t3.id $t2.id

LIST /v1/wallets/$w4.id/transactions?limit=1
  200
  ids $t6.id $t5.id $t3.id $t2.id $t1.id

LIST /v1/wallets/$w3.id/transactions
  200
  ids $t4.id

LIST /v1/wallets/$w2.id/transactions
  200
  count 0

LIST /v1/wallets?limit=1
  200
  ids $w5.id $w4.id $w3.id $w2.id $w1.id

LIST /v1/wallets?limit=2&owner=anna
  200
  ids $w4.id $w2.id $w1.id

LIST /v1/transactions?limit=3
  200
  count 7

== Transactions by type, order, who began them, and time

LIST /v1/transactions?type=transfer
  200
  ids $t6.id $t4.id $t2.id $t1.id

LIST /v1/transactions?type=refund
  200
  ids $t5.id

LIST /v1/wallets/$w4.id/transactions?type=purchase
  200
  ids $t3.id

LIST /v1/transactions?order=o-1&type=purchase
  200
  ids $t3.id

LIST /v1/transactions?initiated_by=$t1.initiated_by
  200
  count 7

as service
t7: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201
as admin

LIST /v1/transactions?initiated_by=$t7.initiated_by
  200
  ids $t7.id

LIST /v1/transactions?initiated_by=$t1.initiated_by&type=transfer&limit=1
  200
  ids $t6.id $t4.id $t2.id $t1.id

== From is inclusive, to is exclusive

wait 0.01
t8: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201
wait 0.01
t9: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201
wait 0.01
t10: POST /v1/transfers {"from": $w5.id, "to": $w4.id, "amount": 1}
  201

LIST /v1/transactions?from=$t8.created_at
  200
  ids $t10.id $t9.id $t8.id

LIST /v1/transactions?from=$t8.created_at&to=$t10.created_at
  200
  ids $t9.id $t8.id

LIST /v1/transactions?from=$t9.created_at&to=$t9.created_at
  200
  count 0

LIST /v1/wallets/$w5.id/transactions?from=$t9.created_at
  200
  ids $t10.id $t9.id

LIST /v1/wallets/$w5.id/transactions?from=$t8.created_at&to=$t10.created_at&limit=1
  200
  ids $t9.id $t8.id

LIST /v1/wallets/$w5.id/transactions?to=$t1.created_at
  200

LIST /v1/transactions?to=1999-12-31
  200
  count 0

LIST /v1/transactions?from=2999-12-31T23:59:59Z
  200
  count 0

LIST /v1/transactions?from=1970-01-01&to=2999-12-31T23:59:59.999%2B02:00&type=refund
  200
  ids $t5.id

== Limits are 1 to 1,000

GET /v1/transactions?limit=1
  200
  count 1

GET /v1/transactions?limit=1000
  200

GET /v1/transactions?limit=0
  400 invalid_request
  says limit

GET /v1/transactions?limit=1001
  400 invalid_request

GET /v1/transactions?limit=-1
  400 invalid_request

GET /v1/transactions?limit=ten
  400 invalid_request

GET /v1/transactions?limit=1.5
  400 invalid_request

GET /v1/transactions?limit=
  400 invalid_request

== A page has fifty items unless it is said otherwise

POST /v1/batches {"operations": $list(120, {"type": "transfer", "from": $w4.id, "to": $w5.id, "amount": 9007199254740991})}
  200

many: POST /v1/batches {"operations": $list(120, {"type": "wallet", "owner": "crowd", "currency": "USD"})}
  200

GET /v1/wallets?owner=crowd
  200
  count 50

GET /v1/wallets
  200
  count 50
  < Content-Type: application/json

LIST /v1/wallets?owner=crowd
  200
  count 120

LIST /v1/wallets?limit=1000
  200
  count 125

== What a list doesn't know is invalid

GET /v1/transactions?colour=red
  400 invalid_request

GET /v1/transactions?type=theft
  400 invalid_request

GET /v1/transactions?from=yesterday
  400 invalid_request

GET /v1/transactions?from=2026-13-01
  400 invalid_request

GET /v1/transactions?from=2026-02-01&to=2026-01-01
  400 invalid_request

GET /v1/transactions?cursor=nonsense
  400 invalid_request

GET /v1/transactions?limit=5&limit=6
  400 invalid_request

GET /v1/wallets?status=sleeping
  400 invalid_request

GET /v1/wallets?kind=thief
  400 invalid_request

GET /v1/holds?status=settled
  400 invalid_request

GET /v1/wallets?owner=
  400 invalid_request

GET /v1/wallets?owner=%FF
  400 invalid_request

GET /v1/wallets/$w1.id?colour=red
  400 invalid_request

GET /check-integrity?colour=red
  400 invalid_request

== A cursor is of one list

# How much is on a page may change on the way, and what was walked is walked again.
of_owner: GET /v1/wallets?owner=anna&limit=1
  200
GET /v1/wallets?owner=anna&limit=5&cursor=$of_owner.next_cursor
  200
  ids $w2.id $w1.id

GET /v1/wallets?cursor=$of_owner.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/wallets?owner=annabel&cursor=$of_owner.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/wallets?owner=anna&kind=merchant&cursor=$of_owner.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/holds?cursor=$of_owner.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/wallets/$w4.id/transactions?cursor=$p1.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/wallets/$w5.id/transactions?type=deposit&cursor=$p1.next_cursor
  400 invalid_request
  pointer /cursor
GET /v1/transactions?cursor=$p1.next_cursor
  400 invalid_request
  pointer /cursor

# Times are filters, too.
timed: GET /v1/transactions?from=2020-01-01&limit=1
  200
GET /v1/transactions?from=2020-01-01&limit=1&cursor=$timed.next_cursor
  200
  count 1
GET /v1/transactions?from=2020-01-02&limit=1&cursor=$timed.next_cursor
  400 invalid_request
  pointer /cursor

== All of it after a restart

kill

LIST /v1/wallets/$w4.id/transactions?type=purchase
  200
  ids $t3.id

LIST /v1/wallets?owner=anna
  200
  ids $w4.id $w2.id $w1.id

LIST /v1/transactions?from=$t8.created_at&to=$t10.created_at
  200
  ids $t9.id $t8.id

GET /v1/wallets/$w5.id/transactions?limit=2&cursor=$p1.next_cursor
  200
  ids $t3.id $t2.id
