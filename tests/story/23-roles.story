# SPDX-License-Identifier: MIT
# Roles: customers and merchants reach only what is theirs, duties are separate, and roles of the configuration's own.
config {"separate_duties": true, "roles": {"teller": {"number": 16, "permissions": ["wallets:read", "deposits:write"]}, "cashier": {"number": 17, "bound": true, "permissions": ["wallets:read", "wallets:open", "payments:read", "purchases:write", "holds:write"]}}}

as service

anna: POST /v1/wallets {"owner": "anna", "currency": "USD"}
  201
bert: POST /v1/wallets {"owner": "bert", "currency": "USD"}
  201
euro: POST /v1/wallets {"owner": "bert", "currency": "EUR"}
  201
shop: POST /v1/wallets {"owner": "shop", "currency": "USD", "kind": "merchant"}
  201
rival: POST /v1/wallets {"owner": "rival", "currency": "USD", "kind": "merchant"}
  201
shut: POST /v1/wallets {"owner": "gone", "currency": "USD"}
  201
PATCH /v1/wallets/$shut.id {"status": "closed"}
  200
POST /v1/deposits {"wallet": $anna.id, "amount": 1000, "bank_transaction_id": "b1"}
  201
POST /v1/deposits {"wallet": $bert.id, "amount": 1000, "bank_transaction_id": "b2"}
  201

as admin

customer: POST /v1/keys {"name": "anna's phone", "role": "customer", "owner": "anna"}
  201 {"role": "customer", "owner": "anna"}
merchant: POST /v1/keys {"name": "shop's till", "role": "merchant", "owner": "shop"}
  201
cashier: POST /v1/keys {"name": "shop's cashier", "role": "cashier", "owner": "anna"}
  201 {"role": "cashier"}
teller: POST /v1/keys {"name": "bank", "role": "teller"}
  201 {"role": "teller"}

POST /v1/keys {"name": "nobody's", "role": "customer"}
  400 invalid_request
  pointer /owner
POST /v1/keys {"name": "nobody's", "role": "cashier"}
  400 invalid_request
  pointer /owner
POST /v1/keys {"name": "what is this", "role": "captain"}
  400 invalid_request
  pointer /role

== Who hands out keys moves no money

POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "b3"}
  403 forbidden
POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 1}
  403 forbidden
POST /v1/batches {"operations": [{"type": "transfer", "from": $anna.id, "to": $bert.id, "amount": 1}]}
  403 forbidden
POST /v1/adjustments {"wallet": $anna.id, "direction": "credit", "amount": 1, "reason": "mine"}
  403 forbidden
POST /v1/wallets {"owner": "anna", "currency": "USD", "credit_limit": 5}
  400 invalid_request
  pointer /credit_limit
PATCH /v1/wallets/$anna.id {"tier": 3}
  400 invalid_request
  pointer /tier
GET /v1/wallets/$anna.id
  200 {"balance": 1000, "version": 2}

== A customer sees and pays with what is his

as key $customer.secret

GET /v1/wallets
  200
  ids $anna.id
GET /v1/wallets/$anna.id
  200 {"balance": 1000}
GET /v1/wallets/$bert.id
  404 not_found
GET /v1/wallets/$bert.id/balance
  404 not_found
GET /v1/wallets/$bert.id/transactions
  404 not_found
GET /v1/wallets?owner=bert
  200
  count 0

bought: POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 300}
  > Idempotency-Key: buy
  201 {"debit": {"account": $anna.id, "balance": 700, "version": 3}, "credit": {"account": $shop.id}}
  no credit.balance credit.version
POST /v1/purchases {"wallet": $anna.id, "merchant": $shop.id, "amount": 300}
  > Idempotency-Key: buy
  201
  same as bought
  replayed
GET /v1/transactions/$bought.id
  200 {"debit": {"account": $anna.id, "balance": 700, "version": 3}, "credit": {"account": $shop.id}}
  no credit.balance credit.version
GET /v1/transactions
  200 {"items": [{"id": $bought.id, "credit": {"account": $shop.id}}, {"type": "deposit"}]}
  count 2

POST /v1/transfers {"from": $bert.id, "to": $anna.id, "amount": 1}
  404 not_found
POST /v1/batches {"operations": [{"type": "transfer", "from": $bert.id, "to": $anna.id, "amount": 1}, {"type": "transfer", "from": $anna.id, "to": $bert.id, "amount": 1}, {"type": "deposit", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "mine"}, {"type": "withdrawal", "wallet": $anna.id, "amount": 1, "bank_transaction_id": "mine"}]}
  200 {"results": [{"code": "not_found"}, {"type": "transfer", "debit": {"balance": 699}, "credit": {"account": $bert.id}}, {"code": "forbidden"}, {"code": "invalid_request"}]}

== What another cannot receive is one word

closed: POST /v1/transfers {"from": $anna.id, "to": $shut.id, "amount": 1}
  422 cannot_receive
POST /v1/transfers {"from": $anna.id, "to": $euro.id, "amount": 1}
  422 cannot_receive
POST /v1/transfers {"from": $anna.id, "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 1}
  422 cannot_receive
POST /v1/purchases {"wallet": $anna.id, "merchant": $bert.id, "amount": 1}
  422 cannot_receive

== And who cannot pay learns nothing of others

poor: POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 9000}
  422 insufficient_funds
POST /v1/transfers {"from": $anna.id, "to": $shut.id, "amount": 9000}
  422
  same as poor
POST /v1/transfers {"from": $anna.id, "to": $euro.id, "amount": 9000}
  422
  same as poor
POST /v1/transfers {"from": $anna.id, "to": "wallet_01h455vb4pex5vsknk084sn02q", "amount": 9000}
  422
  same as poor
POST /v1/transfers {"from": "wallet_01h455vb4pex5vsknk084sn02q", "to": $anna.id, "amount": 1}
  404 not_found

== What is not a customer's to give or to do

POST /v1/withdrawals {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "mine"}
  400 invalid_request
  pointer /bank_transaction_id
asked: POST /v1/withdrawals {"wallet": $anna.id, "amount": 9}
  201 {"status": "pending"}
POST /v1/withdrawals/$asked.id/settle {"bank_transaction_id": "mine"}
  403 forbidden
PATCH /v1/wallets/$anna.id {"status": "frozen"}
  403 forbidden
POST /v1/refunds {"purchase": $bought.id}
  403 forbidden
POST /v1/deposits {"wallet": $anna.id, "amount": 1, "bank_transaction_id": "mine"}
  403 forbidden
GET /check-integrity
  403 forbidden
GET /v1/keys
  403 forbidden

== A merchant gives back his own sales, and takes and frees his own holds

as service

sold: POST /v1/purchases {"wallet": $bert.id, "merchant": $rival.id, "amount": 50}
  201
hold: POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 40}
  201
other: POST /v1/holds {"wallet": $anna.id, "merchant": $rival.id, "amount": 40}
  201

as key $merchant.secret

POST /v1/refunds {"purchase": $bought.id, "amount": 100}
  201 {"debit": {"account": $shop.id, "balance": 200}, "credit": {"account": $anna.id}}
  no credit.balance credit.version
POST /v1/refunds {"purchase": $sold.id}
  404 not_found
GET /v1/transactions/$sold.id
  404 not_found
GET /v1/holds
  200
  ids $hold.id
POST /v1/holds/$other.id/void {}
  404 not_found
POST /v1/holds/$hold.id/capture {"amount": 15, "final": false}
  201 {"debit": {"account": $anna.id}, "credit": {"balance": 215}}
  no debit.balance debit.version

as service
PATCH /v1/wallets/$anna.id {"status": "frozen"}
  200
as key $merchant.secret
POST /v1/holds/$hold.id/capture {}
  422 cannot_pay
as service
PATCH /v1/wallets/$anna.id {"status": "active"}
  200
as key $merchant.secret
POST /v1/holds/$hold.id/void {}
  200 {"status": "voided"}
as key $customer.secret
POST /v1/holds/$other.id/void {}
  403 forbidden

== Roles of one's own do what they may, and nothing else

as key $teller.secret

POST /v1/deposits {"wallet": $bert.id, "amount": 7, "bank_transaction_id": "b4"}
  201
POST /v1/transfers {"from": $bert.id, "to": $anna.id, "amount": 1}
  403 forbidden
GET /v1/transactions
  403 forbidden

as key $cashier.secret

own: POST /v1/wallets {"owner": "anna", "currency": "EUR"}
  201
POST /v1/wallets {"owner": "bert", "currency": "EUR"}
  403 forbidden
POST /v1/wallets {"owner": "anna", "currency": "EUR", "credit_limit": 0}
  400 invalid_request
  pointer /credit_limit
GET /v1/wallets/$bert.id
  404 not_found
POST /v1/holds {"wallet": $anna.id, "merchant": $shop.id, "amount": 5}
  201
POST /v1/transfers {"from": $anna.id, "to": $bert.id, "amount": 1}
  403 forbidden

restart

GET /v1/wallets
  200
  ids $own.id $anna.id
as key $customer.secret
GET /v1/transactions/$sold.id
  404 not_found
wallet anna balance 784 held 54
as admin
GET /check-integrity?depth=full
  200 {"consistent": true}
