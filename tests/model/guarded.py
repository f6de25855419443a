# SPDX-License-Identifier: MIT
"""What principals that are bound to an owner may do and see, and what waits for a second person:
the naive ledger's own words for docs/security.md.

Nothing is clever here. Whether a payment could be done is found out by doing it and taking it back;
whether somebody may see a thing, by looking at the owners of its wallets.
"""

import copy

from naive import Ledger, Refusal, time_text

WEEK_S = 7 * 24 * 3600
PAYEES = {"purchase": ("wallet", "merchant"), "transfer": ("from", "to"),
          "hold": ("wallet", "merchant")}
CAN_WAIT = ("deposit", "withdrawal", "purchase", "refund", "transfer", "hold")


class GuardedLedger(Ledger):
    STATE = Ledger.STATE + ("approvals", )

    def __init__(self, make_id, above=None, expires_in=WEEK_S):
        super().__init__(make_id)
        self.above = above or {}  # currency -> the largest payment that needs nobody else
        self.expires_in = expires_in
        self.approvals = {}
        self.is_live = lambda principal: True  # whether that key still opens the door
        self.in_atomic = False
        self.versioned = None

    # Whose things are.

    def owns(self, owner, id_):
        return id_ in self.wallets and self.wallets[id_]["owner"] == owner

    def sees(self, owner, thing):
        """Whether one of its wallets is the owner's; a wallet is its own."""
        sides = [thing.get("wallet"), thing.get("merchant")]
        if "debit" in thing:
            sides = [thing["debit"]["account"], thing["credit"]["account"]]
        return thing.get("owner") == owner or any(self.owns(owner, side) for side in sides)

    def shown(self, body, principal, owner):
        """An answer as somebody bound gets it: the other side of a transaction is its account."""
        if isinstance(body, list):
            return [self.shown(item, principal, owner) for item in body]
        if not isinstance(body, dict):
            return body
        if "debit" not in body or "credit" not in body:
            return {name: self.shown(value, principal, owner) for name, value in body.items()}
        body, is_hidden = dict(body), False
        for name in ("debit", "credit"):
            account = body[name]["account"]
            if account in self.wallets and not self.owns(owner, account):
                body[name] = {"account": account}
                is_hidden = True
        if is_hidden and body["initiated_by"] != principal:
            del body["initiated_by"]
        return body

    # What somebody bound may do.

    def must_be_his(self, operation, fields, owner):
        if operation == "wallet":
            if fields["owner"] != owner:
                raise Refusal("forbidden")
        elif operation == "refund":
            purchase = self.find(self.transactions, fields["purchase"], "transaction")
            self.one_side(purchase, purchase["credit"]["account"], owner, "transaction",
                          purchase["type"] == "purchase")
        elif operation in ("capture", "void"):
            hold = self.find(self.holds, fields["hold"], "hold")
            self.one_side(hold, hold["merchant"], owner, "hold", True)
        elif operation in ("settle", "fail"):
            withdrawal = self.find(self.withdrawals, fields["withdrawal"], "withdrawal")
            if not self.owns(owner, withdrawal["wallet"]):
                raise Refusal("not_found")
        elif not self.owns(owner, fields[PAYEES.get(operation, ("wallet", ))[0]]):
            raise Refusal("not_found", "There is no such wallet.")

    def one_side(self, thing, doer, owner, what, is_done_by_one):
        if not self.sees(owner, thing):
            raise Refusal("not_found", f"There is no {what} {thing['id']}.")
        if is_done_by_one and not self.owns(owner, doer):
            raise Refusal("forbidden", f"The {what} {thing['id']} is not yours to end.")

    def own_troubles(self, operation, payer, fields, if_match):
        """What would keep the payer from paying anybody."""
        self.same_currency(fields, payer)
        self.not_closed(payer)
        self.not_frozen(payer)
        self.version_is(payer, if_match)
        self.has_funds(payer, fields["amount"])
        if operation == "hold":
            self.can_hold(payer, fields["amount"])

    def version_is(self, wallet, if_match):
        Ledger.version_is(self.versioned or wallet, if_match)

    def perform_bound(self, operation, fields, principal, if_match, owner):
        run = getattr(self, "do_" + operation)
        self.must_be_his(operation, fields, owner)
        if operation in PAYEES:
            payer, payee = (fields[name] for name in PAYEES[operation])
            if self.owns(owner, payee):
                return run(fields, principal, if_match)
            self.own_troubles(operation, self.wallets[payer], fields, if_match)
            try:
                return run(fields, principal, if_match)
            except Refusal:
                raise Refusal("cannot_receive", f"Wallet {payee} can't receive this.") from None
        if operation in ("capture", "void"):
            self.versioned = self.wallets[self.holds[fields["hold"]]["merchant"]]
        try:
            return run(fields, principal, if_match)
        except Refusal as refusal:
            raise self.told(refusal, operation, owner) from None
        finally:
            self.versioned = None

    def told(self, refusal, operation, owner):
        """A refusal that another's wallet causes says only that it can't."""
        if refusal.about is None or self.owns(owner, refusal.about):
            return refusal
        return Refusal("cannot_pay" if operation == "capture" else "cannot_receive")

    def perform_now(self, operation, fields, principal, if_match, owner):
        if owner is None:
            return getattr(self, "do_" + operation)(fields, principal, if_match)
        return self.perform_bound(operation, fields, principal, if_match, owner)

    # What waits for somebody else.

    def moved(self, operation, fields):
        """(the wallet whose money it is about, how much) of what could wait; None of the rest."""
        name = {"transfer": "from", "refund": "purchase"}.get(operation, "wallet")
        if operation == "refund":
            purchase = self.transactions.get(fields["purchase"])
            if purchase is None or purchase["type"] != "purchase":
                return None
            left = purchase["amount"] - purchase["refunded"]
            amount = left if fields["amount"] is None else fields["amount"]
            return self.wallets[purchase["credit"]["account"]], amount
        wallet = self.wallets.get(fields[name])
        return wallet and (wallet, fields["amount"])

    def must_wait(self, operation, fields):
        if operation == "adjustment":
            return True
        moved = self.moved(operation, fields) if operation in CAN_WAIT and self.above else None
        if moved is None or moved[0]["currency"] not in self.above:
            return False
        return moved[1] > self.above[moved[0]["currency"]]

    def perform(self, operation, fields, principal, if_match):
        owner = self.bound
        if not self.must_wait(operation, fields):
            return self.perform_now(operation, fields, principal, if_match, owner)
        before = self.snapshot()
        self.perform_now(operation, fields, principal, if_match, owner)
        self.restore(before)
        if self.in_atomic:
            raise Refusal("approval_required", "This must be sent alone.")
        return 202, self.park(operation, fields, principal, if_match)

    def park(self, operation, fields, principal, if_match):
        wallet, amount = self.moved(operation, fields)
        id_ = self.make_id("apr", self.now)
        self.approvals[id_] = {
            "id": id_, "status": "pending", "operation": operation, "wallet": wallet["id"],
            "amount": amount, "currency": wallet["currency"], "requested_by": principal,
            "created_at": self.now, "expires_at": self.now + 1000 * self.expires_in,
            "kept": (copy.deepcopy(fields), if_match, self.bound)
        }
        return self.approval_view(self.approvals[id_])

    def do_atomic(self, operations, principal):
        self.in_atomic = True
        try:
            return super().do_atomic(operations, principal)
        finally:
            self.in_atomic = False

    def do_adjustment(self, fields, principal, if_match):
        wallet = self.wallet(fields["wallet"])
        self.same_currency(fields, wallet)
        self.not_closed(wallet)
        self.version_is(wallet, if_match)
        is_credit = fields["direction"] == "credit"
        if is_credit:
            self.has_room(wallet, fields["amount"])
        else:
            self.has_funds(wallet, fields["amount"])
        sides = (None, wallet) if is_credit else (wallet, None)
        return 201, self.transaction_view(
            self.post("adjustment", fields["amount"], wallet["currency"], *sides, principal,
                      reason=fields["reason"], reference=fields["reference"],
                      metadata=fields["metadata"]))

    # Deciding.

    def pending(self, fields, principal):
        approval = self.find(self.approvals, fields["approval"], "approval")
        if approval["status"] != "pending" or approval["expires_at"] <= self.now:
            raise Refusal("approval_not_pending")
        if approval["requested_by"] == principal:
            raise Refusal("second_principal_needed")
        return approval

    def decided(self, approval, fields, principal, status):
        approval.update(status=status, decided_by=principal, decided_at=self.now,
                        reason=fields["reason"])
        return 200, self.approval_view(approval)

    def do_reject(self, fields, principal, if_match):
        return self.decided(self.pending(fields, principal), fields, principal, "rejected")

    def do_approve(self, fields, principal, if_match):
        approval = self.pending(fields, principal)
        kept, if_match, owner = approval["kept"]
        operation, asker = approval["operation"], approval["requested_by"]
        try:
            if not self.is_live(asker):
                raise Refusal("unauthenticated")
            _, body = self.perform_now(operation, copy.deepcopy(kept), asker, if_match, owner)
        except Refusal as refusal:
            approval["refusal"] = refusal.body
            return self.decided(approval, fields, principal, "refused")
        kind = operation if operation in ("hold", "withdrawal") else "transaction"
        approval[kind] = body["id"]
        return self.decided(approval, fields, principal, "approved")

    def approval_view(self, approval):
        view = copy.deepcopy(approval)
        fields, _, _ = view.pop("kept")
        view["request"] = {name: value for name, value in fields.items()
                           if value is not None and value != {}}
        for name in ("created_at", "expires_at", "decided_at"):
            if name in view:
                view[name] = time_text(view[name])
        return {name: value for name, value in view.items() if value is not None}

    def totals(self):
        sums = super().totals()
        for transaction in self.transactions.values():
            if transaction["type"] == "adjustment":
                paid_in = transaction["debit"]["account"].startswith("external:")
                name, sign = ("deposits", -1) if paid_in else ("withdrawals", 1)
                sums[transaction["currency"]][name] += transaction["amount"]
                sums[transaction["currency"]]["difference"] += sign * transaction["amount"]
        return sums
