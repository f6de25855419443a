# SPDX-License-Identifier: MIT
"""Who may do what, written down a second time from docs/security.md: roles as sets of permissions,
what separate duties take from admins, and what each request of the naive door needs."""

READS = {"wallets:read", "payments:read", "approvals:read"}
PAYMENTS = {
    "withdrawals:write", "purchases:write", "refunds:write", "transfers:write", "holds:write",
    "holds:capture", "batches:write"
}
MONEY = PAYMENTS | {
    "deposits:write", "withdrawals:settle", "wallets:credit", "adjustments:write",
    "approvals:decide"
}
EVERYTHING = READS | MONEY | {
    "wallets:open", "wallets:change", "wallets:freeze", "books:read", "keys:read", "keys:write"
}
ROLES = {
    "admin": EVERYTHING, "service": EVERYTHING - {
        "keys:read", "keys:write", "adjustments:write", "approvals:decide"
    }, "auditor": READS | {"books:read", "keys:read"}, "operator": READS | {
        "deposits:write", "withdrawals:write", "withdrawals:settle", "wallets:change",
        "wallets:freeze", "batches:write", "adjustments:write", "approvals:decide", "books:read"
    }, "support": READS, "merchant": READS | {"refunds:write", "holds:capture", "batches:write"},
    "customer": READS | {"purchases:write", "transfers:write", "withdrawals:write",
                         "batches:write"},
}
BOUND = {"merchant", "customer"}

# What a write needs; fields that need a permission of their own.
NEEDS = {
    "wallet": "wallets:open", "change": "wallets:change", "deposit": "deposits:write",
    "withdrawal": "withdrawals:write", "settle": "withdrawals:settle",
    "fail": "withdrawals:settle", "purchase": "purchases:write", "refund": "refunds:write",
    "transfer": "transfers:write", "hold": "holds:write", "capture": "holds:capture",
    "void": "holds:capture", "batch": "batches:write", "adjustment": "adjustments:write",
    "approve": "approvals:decide", "reject": "approvals:decide", "key": "keys:write",
    "rotate": "keys:write", "revoke": "keys:write"
}
GUARDED = {
    "withdrawal": {"bank_transaction_id": "withdrawals:settle"},
    "wallet": {"credit_limit": "wallets:credit", "tier": "wallets:credit"},
    "change": {"credit_limit": "wallets:credit", "tier": "wallets:credit",
               "status": "wallets:freeze"}
}


class Roles:
    """The roles of one server: `configured` is the configuration's member of that name."""
    def __init__(self, configured=None, separate_duties=False):
        self.sets = {name: set(permissions) for name, permissions in ROLES.items()}
        if separate_duties:
            self.sets["admin"] -= MONEY
        self.bound = set(BOUND)
        for name, role in (configured or {}).items():
            self.sets[name] = set(role["permissions"])
            if role.get("bound"):
                self.bound.add(name)

    def allow(self, role, permission):
        return permission in self.sets.get(role, ())
