# SPDX-License-Identifier: MIT
"""A tiny naive ledger: what Florin promises, written down a second time as plainly as possible.

It knows nothing of rounds, journals, threads or speed. Everything lies in dictionaries, whatever
is asked is looked up by walking over all of it, and time is handed in. It was written from the
contract and not from the server, so where both agree, both are probably right. It shares no code
and no table with it either.

Money is an integer of minor units, times are integers of milliseconds, and ids are handed out by
`make_id`. In the objects that it answers with, a name that starts with "?" may be left out by a
server; when it is there, it must have that value.
"""

import copy
from datetime import datetime, timezone

AMOUNT_MAX = 2**53 - 1

STATUS = {
    "invalid_request": 400, "unauthenticated": 401, "forbidden": 403, "not_found": 404,
    "method_not_allowed": 405, "wallet_frozen": 409, "wallet_closed": 409, "wallet_not_empty": 409,
    "duplicate_bank_transaction": 409, "hold_not_open": 409, "withdrawal_not_pending": 409,
    "credit_limit_in_use": 409, "last_admin_key": 409, "version_mismatch": 412,
    "request_too_large": 413, "unsupported_media_type": 415, "insufficient_funds": 422,
    "currency_mismatch": 422, "same_wallet": 422, "not_a_merchant": 422, "not_a_purchase": 422,
    "refund_exceeds_purchase": 422, "capture_exceeds_hold": 422, "balance_limit_exceeded": 422,
    "idempotency_key_reused": 422, "cannot_receive": 422, "cannot_pay": 422,
    "approval_required": 422, "approval_not_pending": 409, "second_principal_needed": 403,
}


class Refusal(Exception):
    def __init__(self, code, detail="", about=None, **more):
        super().__init__(code)
        self.code = code
        self.about = about  # the wallet that causes it, where one side of a payment does
        self.body = {
            "type": "about:blank", "title": code.replace("_", " ").capitalize(),
            "status": STATUS[code], "code": code, "detail": detail or code, **more
        }


def time_text(milliseconds):
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{milliseconds % 1000:03d}Z"


def without_empty(**fields):
    return {name: value for name, value in fields.items() if value is not None and value != {}}


class Ledger:
    def __init__(self, make_id):
        self.make_id = make_id  # (kind of thing, milliseconds) -> text
        self.wallets = {}  # id -> the wallet; dictionaries keep the order in which things were made
        self.transactions = {}
        self.holds = {}
        self.withdrawals = {}
        self.bank_ids = {}  # (currency, bank id) -> id of the transaction that has it
        self.remembered = {}  # (principal, idempotency key) -> (request, status, body)
        self.now = 0
        self.bound = None  # the owner whom the asker of the current request is bound to

    # Looking things up.

    def find(self, things, id_, what):
        if id_ not in things:
            raise Refusal("not_found", f"There is no {what} {id_}.")
        return things[id_]

    def wallet(self, id_):
        return self.find(self.wallets, id_, "wallet")

    @staticmethod
    def spendable(wallet):
        return wallet["balance"] - wallet["held"] + wallet["credit_limit"]

    # The rungs of the ladder.

    @staticmethod
    def same_currency(fields, *wallets):
        asked = {wallet["currency"] for wallet in wallets}
        if fields.get("currency"):
            asked.add(fields["currency"])
        if len(asked) > 1:
            raise Refusal("currency_mismatch",
                          f"Wallet {wallets[0]['id']} has {wallets[0]['currency']}.")

    @staticmethod
    def not_closed(*wallets):
        for wallet in wallets:
            if wallet["status"] == "closed":
                raise Refusal("wallet_closed", f"Wallet {wallet['id']} is closed.",
                              about=wallet["id"])

    @staticmethod
    def not_frozen(payer):
        if payer["status"] == "frozen":
            raise Refusal("wallet_frozen", f"Wallet {payer['id']} is frozen.", about=payer["id"])

    @staticmethod
    def version_is(wallet, if_match):
        if if_match is not None and wallet["version"] != if_match:
            raise Refusal("version_mismatch",
                          f"Wallet {wallet['id']} has version {wallet['version']}.")

    def bank_id_is_new(self, currency, bank_id):
        if bank_id is not None and (currency, bank_id) in self.bank_ids:
            holder = self.bank_ids[currency, bank_id]
            raise Refusal("duplicate_bank_transaction", f"{bank_id} is taken by {holder}.",
                          transaction=holder)

    def has_funds(self, payer, amount):
        if self.spendable(payer) < amount:
            raise Refusal(
                "insufficient_funds", f"Wallet {payer['id']} can spend {self.spendable(payer)} "
                f"{payer['currency']}, and {amount} was asked.", about=payer["id"])

    @staticmethod
    def can_hold(payer, amount):
        if payer["held"] + amount > AMOUNT_MAX:
            raise Refusal(
                "balance_limit_exceeded", f"Wallet {payer['id']} holds {payer['held']} "
                f"{payer['currency']}, and {amount} more was asked.", about=payer["id"])

    @staticmethod
    def has_room(payee, amount):
        if payee["balance"] + amount > AMOUNT_MAX:
            raise Refusal(
                "balance_limit_exceeded", f"Wallet {payee['id']} has {payee['balance']}; "
                f"{amount} more is too much.", about=payee["id"])

    # Moving money.

    def post(self, kind, amount, currency, debit, credit, principal, **more):
        """One transaction from `debit` to `credit`, each a wallet or None for the outside world."""
        sides = []
        for wallet, sign in ((debit, -1), (credit, 1)):
            if wallet is None:
                sides.append({"account": f"external:{currency}"})
                continue
            wallet["balance"] += sign * amount
            wallet["version"] += 1
            sides.append({
                "account": wallet["id"], "balance": wallet["balance"], "version": wallet["version"]
            })
        id_ = self.make_id("txn", self.now)
        transaction = {
            "id": id_, "type": kind, "amount": amount, "currency": currency, "debit": sides[0],
            "credit": sides[1], "initiated_by": principal, "created_at": self.now, **more
        }
        if kind == "purchase":
            transaction["refunded"] = 0
        self.transactions[id_] = transaction
        if more.get("bank_transaction_id"):
            self.bank_ids[currency, more["bank_transaction_id"]] = id_
        return transaction

    def hold_money(self, wallet, amount):
        wallet["held"] += amount
        wallet["version"] += 1

    def close_hold(self, hold, status):
        """Ends an open hold and frees what is left of it, without touching versions."""
        self.wallets[hold["wallet"]]["held"] -= hold["remaining"]
        hold["left"] = hold["remaining"]
        hold["remaining"] = 0
        hold["status"] = status

    def expire(self, now):
        """Ends every hold whose time is over; each is one change of its wallet."""
        self.now = now
        due = [
            hold for hold in self.holds.values()
            if hold["status"] == "open" and hold["expires_at"] <= now
        ]
        for hold in due:
            self.close_hold(hold, "expired")
            self.wallets[hold["wallet"]]["version"] += 1

    # One function per operation: the ladder from top to bottom, then the change, then the answer.

    def do_wallet(self, fields, principal, if_match):
        id_ = self.make_id("wallet", self.now)
        self.wallets[id_] = {
            "id": id_, "owner": fields["owner"], "kind": fields["kind"],
            "currency": fields["currency"], "status": "active", "balance": 0, "held": 0,
            "credit_limit": fields["credit_limit"], "tier": fields["tier"], "version": 1,
            "created_at": self.now, "metadata": fields["metadata"] or {}
        }
        return 201, self.wallet_view(self.wallets[id_])

    def do_change(self, fields, principal, if_match):
        wallet = self.wallet(fields["wallet"])
        self.version_is(wallet, if_match)
        status = fields["status"] or wallet["status"]
        limit = wallet["credit_limit"] if fields["credit_limit"] is None else fields["credit_limit"]
        tier = wallet["tier"] if fields["tier"] is None else fields["tier"]
        metadata = wallet["metadata"] if fields["metadata"] is None else fields["metadata"]
        if status == "closed" and (wallet["balance"] != 0 or wallet["held"] != 0):
            raise Refusal(
                "wallet_not_empty", f"Wallet {wallet['id']} has {wallet['balance']}, "
                f"and {wallet['held']} is held.")
        if limit < wallet["credit_limit"] and wallet["balance"] - wallet["held"] + limit < 0:
            raise Refusal("credit_limit_in_use", f"Wallet {wallet['id']} uses more than {limit}.")
        if (status, limit, tier, metadata) != (wallet["status"], wallet["credit_limit"],
                                               wallet["tier"], wallet["metadata"]):
            wallet.update(status=status, credit_limit=limit, tier=tier, metadata=metadata)
            wallet["version"] += 1
        return 200, self.wallet_view(wallet)

    def do_deposit(self, fields, principal, if_match):
        wallet = self.wallet(fields["wallet"])
        self.same_currency(fields, wallet)
        self.not_closed(wallet)
        self.version_is(wallet, if_match)
        self.bank_id_is_new(wallet["currency"], fields["bank_transaction_id"])
        self.has_room(wallet, fields["amount"])
        return 201, self.transaction_view(
            self.post("deposit", fields["amount"], wallet["currency"], None, wallet, principal,
                      bank_transaction_id=fields["bank_transaction_id"],
                      reference=fields["reference"], metadata=fields["metadata"]))

    def do_withdrawal(self, fields, principal, if_match):
        wallet = self.wallet(fields["wallet"])
        self.same_currency(fields, wallet)
        self.not_closed(wallet)
        self.not_frozen(wallet)
        self.version_is(wallet, if_match)
        self.bank_id_is_new(wallet["currency"], fields["bank_transaction_id"])
        self.has_funds(wallet, fields["amount"])
        if fields["bank_transaction_id"] is None:
            self.can_hold(wallet, fields["amount"])
        id_ = self.make_id("wdl", self.now)
        withdrawal = {
            "id": id_, "wallet": wallet["id"], "amount": fields["amount"],
            "currency": wallet["currency"], "status": "pending", "initiated_by": principal,
            "reference": fields["reference"], "metadata": fields["metadata"], "created_at": self.now
        }
        self.withdrawals[id_] = withdrawal
        if fields["bank_transaction_id"] is None:
            self.hold_money(wallet, fields["amount"])
        else:
            self.pay_out(withdrawal, fields["bank_transaction_id"], principal)
        return 201, self.withdrawal_view(withdrawal)

    def pay_out(self, withdrawal, bank_id, principal):
        transaction = self.post("withdrawal", withdrawal["amount"], withdrawal["currency"],
                                self.wallets[withdrawal["wallet"]], None, principal,
                                bank_transaction_id=bank_id, withdrawal=withdrawal["id"])
        withdrawal.update(status="settled", bank_transaction_id=bank_id,
                          transaction=transaction["id"], settled_at=self.now)

    def do_settle(self, fields, principal, if_match):
        withdrawal = self.find(self.withdrawals, fields["withdrawal"], "withdrawal")
        wallet = self.wallets[withdrawal["wallet"]]
        self.same_currency(fields, wallet)
        self.not_closed(wallet)
        self.version_is(wallet, if_match)
        self.bank_id_is_new(withdrawal["currency"], fields["bank_transaction_id"])
        if withdrawal["status"] != "pending":
            raise Refusal(
                "withdrawal_not_pending", f"Withdrawal {withdrawal['id']} of wallet {wallet['id']} "
                f"is {withdrawal['status']}.")
        wallet["held"] -= withdrawal["amount"]
        self.pay_out(withdrawal, fields["bank_transaction_id"], principal)
        return 200, self.withdrawal_view(withdrawal)

    def do_fail(self, fields, principal, if_match):
        withdrawal = self.find(self.withdrawals, fields["withdrawal"], "withdrawal")
        wallet = self.wallets[withdrawal["wallet"]]
        self.version_is(wallet, if_match)
        if withdrawal["status"] != "pending":
            raise Refusal(
                "withdrawal_not_pending", f"Withdrawal {withdrawal['id']} of wallet {wallet['id']} "
                f"is {withdrawal['status']}.")
        withdrawal.update(status="failed", reason=fields["reason"])
        wallet["held"] -= withdrawal["amount"]
        wallet["version"] += 1
        return 200, self.withdrawal_view(withdrawal)

    def between(self, fields, payer_name, payee_name, if_match, merchant):
        """The rungs that purchase, hold and transfer share; the two wallets."""
        payer = self.wallet(fields[payer_name])
        payee = self.wallet(fields[payee_name])
        if payer is payee:
            raise Refusal("same_wallet", f"Wallet {payer['id']} can't pay itself.")
        self.same_currency(fields, payer, payee)
        if merchant and payee["kind"] != "merchant":
            raise Refusal("not_a_merchant", f"Wallet {payee['id']} is no merchant's.")
        self.not_closed(payer, payee)
        self.not_frozen(payer)
        self.version_is(payer, if_match)
        self.has_funds(payer, fields["amount"])
        return payer, payee

    def do_purchase(self, fields, principal, if_match):
        payer, payee = self.between(fields, "wallet", "merchant", if_match, merchant=True)
        self.has_room(payee, fields["amount"])
        return 201, self.transaction_view(
            self.post("purchase", fields["amount"], payer["currency"], payer, payee, principal,
                      order=fields["order"], reference=fields["reference"],
                      metadata=fields["metadata"]))

    def do_transfer(self, fields, principal, if_match):
        payer, payee = self.between(fields, "from", "to", if_match, merchant=False)
        self.has_room(payee, fields["amount"])
        return 201, self.transaction_view(
            self.post("transfer", fields["amount"], payer["currency"], payer, payee, principal,
                      reference=fields["reference"], metadata=fields["metadata"]))

    def do_hold(self, fields, principal, if_match):
        payer, payee = self.between(fields, "wallet", "merchant", if_match, merchant=True)
        self.can_hold(payer, fields["amount"])
        id_ = self.make_id("hold", self.now)
        self.holds[id_] = {
            "id": id_, "wallet": payer["id"], "merchant": payee["id"], "amount": fields["amount"],
            "captured": 0, "remaining": fields["amount"], "status": "open",
            "order": fields["order"], "reference": fields["reference"],
            "metadata": fields["metadata"], "expires_at": self.now + 1000 * fields["expires_in"],
            "created_at": self.now
        }
        self.hold_money(payer, fields["amount"])
        return 201, self.hold_view(self.holds[id_])

    def do_capture(self, fields, principal, if_match):
        hold = self.find(self.holds, fields["hold"], "hold")
        payer, payee = self.wallets[hold["wallet"]], self.wallets[hold["merchant"]]
        self.same_currency(fields, payer)
        self.not_closed(payer, payee)
        self.not_frozen(payer)
        self.version_is(payer, if_match)
        if hold["status"] != "open":
            raise Refusal("hold_not_open",
                          f"Hold {hold['id']} of wallet {payer['id']} is {hold['status']}.")
        amount = hold["remaining"] if fields["amount"] is None else fields["amount"]
        if amount > hold["remaining"]:
            raise Refusal(
                "capture_exceeds_hold", f"Hold {hold['id']} of wallet {payer['id']} has "
                f"{hold['remaining']} left, and {amount} was asked.")
        self.has_room(payee, amount)
        hold["captured"] += amount
        hold["remaining"] -= amount
        payer["held"] -= amount
        if fields["final"] or hold["remaining"] == 0:
            self.close_hold(hold, "captured")
        return 201, self.transaction_view(
            self.post("purchase", amount, payer["currency"], payer, payee, principal,
                      hold=hold["id"], order=hold["order"], reference=hold["reference"],
                      metadata=hold["metadata"]))

    def do_void(self, fields, principal, if_match):
        hold = self.find(self.holds, fields["hold"], "hold")
        wallet = self.wallets[hold["wallet"]]
        self.version_is(wallet, if_match)
        if hold["status"] != "open":
            raise Refusal("hold_not_open",
                          f"Hold {hold['id']} of wallet {wallet['id']} is {hold['status']}.")
        self.close_hold(hold, "voided")
        wallet["version"] += 1
        return 200, self.hold_view(hold)

    def do_refund(self, fields, principal, if_match):
        purchase = self.find(self.transactions, fields["purchase"], "transaction")
        self.same_currency(fields, {"id": purchase["id"], "currency": purchase["currency"]})
        if purchase["type"] != "purchase":
            raise Refusal("not_a_purchase",
                          f"Transaction {purchase['id']} is a {purchase['type']}.")
        payer = self.wallets[purchase["credit"]["account"]]
        payee = self.wallets[purchase["debit"]["account"]]
        self.not_closed(payer, payee)
        self.not_frozen(payer)
        self.version_is(payer, if_match)
        left = purchase["amount"] - purchase["refunded"]
        amount = left if fields["amount"] is None else fields["amount"]
        if amount > left or left == 0:
            raise Refusal(
                "refund_exceeds_purchase", f"Purchase {purchase['id']} of wallet {payee['id']} has "
                f"{left} left, and {amount} was asked.")
        self.has_funds(payer, amount)
        self.has_room(payee, amount)
        purchase["refunded"] += amount
        return 201, self.transaction_view(
            self.post("refund", amount, purchase["currency"], payer, payee, principal,
                      purchase=purchase["id"], reason=fields["reason"],
                      reference=fields["reference"], metadata=fields["metadata"]))

    # Idempotency and batches.

    def perform(self, operation, fields, principal, if_match):
        return getattr(self, "do_" + operation)(fields, principal, if_match)

    def execute(self, operation, fields, principal, key=None, if_match=None, bound=None):
        """Decides one operation: (status, body, replayed). Refusals come back as their problem's
        body."""
        self.bound = bound
        request = (operation, fields)
        if key is not None and (principal, key) in self.remembered:
            first, status, body = self.remembered[principal, key]
            if first == request:
                return status, body, True
            return 422, Refusal("idempotency_key_reused",
                                f"The key {key} was another request's.").body, False
        try:
            if operation == "batch":
                status, body = self.do_atomic(fields["operations"], principal)
            else:
                status, body = self.perform(operation, fields, principal, if_match)
        except Refusal as refusal:
            status, body = STATUS[refusal.code], refusal.body
        worth_keeping = status < 300 or status in (404, 409,
                                                   422) and body["code"] != "idempotency_key_reused"
        if key is not None and worth_keeping:
            # What is remembered never changes, whatever happens to the thing it shows.
            self.remembered[principal, key] = (copy.deepcopy(request), status, copy.deepcopy(body))
        return status, body, False

    def execute_batch(self, operations, principal, key, times, bound=None):
        """Not atomic: each operation for itself. An operation is (name, fields, its key) or an
        invalid one's problem; `times[i]` is when number i was decided."""
        results = []
        for index, operation in enumerate(operations):
            self.expire(max(self.now, times[index]))
            if isinstance(operation, dict):
                results.append(operation)
                continue
            name, fields, own_key = operation
            if own_key is None and key is not None:
                own_key = (key, index)
            _, body, replayed = self.execute(name, fields, principal, own_key, bound=bound)
            results.append(
                {**copy.deepcopy(body), "replayed": True} if replayed else copy.deepcopy(body))
        return 200, {"results": results}

    def do_atomic(self, operations, principal):
        before = self.snapshot()
        results = []
        for index, operation in enumerate(operations):
            if isinstance(operation, dict):
                body, replayed = operation, False
            else:
                name, fields, own_key = operation
                status, body, replayed = self.execute(name, fields, principal, own_key,
                                                      bound=self.bound)
                if self.is_no_part(status):
                    held = {"rule": body["rule"]} if "rule" in body else {}
                    body = Refusal("held_for_review" if held else "approval_required",
                                   "This must be sent alone.", **held).body
            if "code" in body:
                self.restore(before)
                refusal = Refusal(body["code"], body["detail"])
                refusal.body = {**body, "operation": index}
                if body["code"] == "duplicate_bank_transaction" \
                        and body["transaction"] not in self.transactions:
                    del refusal.body["transaction"]  # it is undone with the batch
                    refusal.body["detail"] = "That bank id stands twice in this batch."
                raise refusal
            results.append({**body, "replayed": True} if replayed else body)
        return 200, {"results": copy.deepcopy(results)}

    def is_no_part(self, status):
        """What waits, or had to before when it was sent alone, is no part of a whole."""
        return status == 202

    STATE = ("wallets", "transactions", "holds", "withdrawals", "bank_ids", "remembered")

    def snapshot(self):
        return copy.deepcopy({name: getattr(self, name) for name in self.STATE})

    def restore(self, before):
        for name, value in before.items():
            setattr(self, name, value)

    # What the outside sees.

    def wallet_view(self, wallet):
        return without_empty(id=wallet["id"], owner=wallet["owner"], kind=wallet["kind"],
                             currency=wallet["currency"], status=wallet["status"],
                             balance=wallet["balance"], held=wallet["held"],
                             available=wallet["balance"] - wallet["held"],
                             credit_limit=wallet["credit_limit"], tier=wallet["tier"],
                             version=wallet["version"],
                             created_at=time_text(wallet["created_at"]),
                             metadata=dict(wallet["metadata"] or {}))

    def transaction_view(self, transaction):
        view = {**transaction, "created_at": time_text(transaction["created_at"])}
        withdrawal = self.withdrawals.get(view.pop("withdrawal", None))
        if withdrawal:
            view.update(
                {"?reference": withdrawal["reference"], "?metadata": withdrawal["metadata"]})
        if "hold" in view:
            hold = self.holds[view["hold"]]
            view.update({"?" + name: hold[name] for name in ("order", "reference", "metadata")})
        if "purchase" in view:
            source = self.transactions[view["purchase"]]
            order = self.holds[source["hold"]]["order"] if "hold" in source else source["order"]
            view["?order"] = order
        view["debit"], view["credit"] = dict(view["debit"]), dict(view["credit"])
        return without_empty(**view)

    def hold_view(self, hold):
        view = {
            **hold, "created_at": time_text(hold["created_at"]),
            "expires_at": time_text(hold["expires_at"])
        }
        view.pop("left", None)
        return without_empty(**view)

    def withdrawal_view(self, withdrawal):
        view = {**withdrawal, "created_at": time_text(withdrawal["created_at"])}
        if "settled_at" in view:
            view["settled_at"] = time_text(view["settled_at"])
        return without_empty(**view)

    def balance_view(self, id_, at):
        wallet = self.wallet(id_)
        view = {
            "wallet": id_, "currency": wallet["currency"],
            "at": time_text(self.now if at is None else at), "balance": 0
        }
        for transaction in self.transactions.values():
            for side in (transaction["debit"], transaction["credit"]):
                if side["account"] == id_ and (at is None or transaction["created_at"] <= at):
                    view.update(balance=side["balance"], version=side["version"])
        if at is None:
            view.update(version=wallet["version"], held=wallet["held"],
                        available=wallet["balance"] - wallet["held"])
        return view

    def listed(self, things, view, filters):
        """Views of what fits the filters, newest first; a filter of None asks for nothing."""
        start, end = filters.get("from"), filters.get("to")
        found = []
        for thing in reversed(list(things.values())):
            if start is not None and thing["created_at"] < start or end is not None and thing[
                    "created_at"] >= end:
                continue
            if all(
                    self.has(thing, name, value) for name, value in filters.items()
                    if value is not None and name not in ("from", "to")):
                found.append(view(thing))
        return found

    @staticmethod
    def has(thing, name, value):
        if name == "account":
            return value in (thing["debit"]["account"], thing["credit"]["account"])
        return thing.get(name) == value

    def totals(self):
        """{currency: wallet_balances, deposits, withdrawals, difference}, each added up from
        scratch."""
        sums = {}
        for wallet in self.wallets.values():
            totals = sums.setdefault(wallet["currency"],
                                     {"wallet_balances": 0, "deposits": 0, "withdrawals": 0})
            totals["wallet_balances"] += wallet["balance"]
        for transaction in self.transactions.values():
            if transaction["type"] in ("deposit", "withdrawal"):
                sums[transaction["currency"]][transaction["type"] + "s"] += transaction["amount"]
        for totals in sums.values():
            totals["difference"] = totals["wallet_balances"] - totals["deposits"] + totals[
                "withdrawals"]
        return sums
