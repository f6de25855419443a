# SPDX-License-Identifier: MIT
"""Which fields each operation takes, and what is a valid value of each: the naive ledger's door.

A field is (name, check, default). A check returns the decoded value or raises ValueError with why
not; the default of a required field is REQUIRED. Everything wrong with a body is collected as
JSON pointers.
"""

import json
import re
from datetime import datetime, timedelta, timezone

from naive import AMOUNT_MAX

REQUIRED = object()
ISO = set("AED AUD BHD BRL CAD CHF CLF CLP CNY CZK DKK EUR GBP HKD HUF ILS INR IQD ISK JOD JPY KRW "
          "KWD LYD MXN NOK NZD OMR PLN RON SEK SGD THB TND TRY TWD UAH USD VND ZAR".split())
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Invalid(Exception):
    def __init__(self, pointers):
        super().__init__(", ".join(pointers))
        self.pointers = pointers


class Members(dict):
    """A JSON object that knows which of its names came twice."""
    def __init__(self, pairs):
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = {name for name in names if names.count(name) > 1}


class NotAnInteger(float):
    """A JSON number with a point or an exponent: well-formed, and never valid."""


def text(value, longest=255, counted=len):
    if not isinstance(value, str) or not 1 <= counted(value) <= longest:
        raise ValueError(f"must be a text of 1 to {longest} characters")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("must not have control characters")
    return value


def integer(low, high):
    def check(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return value

    return check


def choice(*values):
    def check(value):
        if not isinstance(value, str) or value not in values:
            raise ValueError("must be one of " + ", ".join(values))
        return value

    return check


def boolean(value):
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def in_bytes(value):
    return len(value.encode())


def metadata(value):
    if not isinstance(value, dict) or len(value) > 32 or getattr(value, "twice", None):
        raise ValueError("must be an object of at most 32 texts")
    for name, inner in value.items():
        text(name, 64, in_bytes)
        text(inner, 512, in_bytes)
    return value


def moment(value):
    """A date or an RFC 3339 time, as milliseconds."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        value += "T00:00:00Z"
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)",
                         value)
    if not match:
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    offset = "+00:00" if match[4] in "Zz" else match[4]
    base = datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}")
    milliseconds = int(((match[3] or ".0")[1:] + "000")[:3])
    result = (base - EPOCH) // timedelta(milliseconds=1) + milliseconds
    if result < 0:
        raise ValueError("must not lie before 1970")
    return result


def number_text(low, high):
    def check(value):
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a number from {low} to {high}")
        return int(value)

    return check


AMOUNT = integer(1, AMOUNT_MAX)
CREDIT = integer(0, AMOUNT_MAX)
TIER = integer(0, 15)
SECONDS = integer(1, 366 * 24 * 3600)
NOTES = (("reference", text, None), ("metadata", metadata, None))


def operations(currencies, roles=("admin", "service", "auditor")):
    """The table of writes: operation -> its fields."""
    known = ISO | set(currencies)
    currency = choice(*sorted(known))
    paid = (("amount", AMOUNT, REQUIRED), ("currency", currency, None))
    return {
        "wallet": (("owner", text, REQUIRED), ("currency", currency, REQUIRED),
                   ("kind", choice("customer", "merchant"),
                    "customer"), ("credit_limit", CREDIT, 0), ("tier", TIER, 0),
                   ("metadata", metadata, None)),
        "change": (
            ("status", choice("active", "frozen", "closed"), None), ("credit_limit", CREDIT, None),
            ("tier", TIER, None), ("metadata", metadata, None), ("reason", text, None)),
        "deposit": (("wallet", text, REQUIRED), *paid,
                    ("bank_transaction_id", text, REQUIRED), *NOTES),
        "withdrawal": (("wallet", text, REQUIRED), *paid, ("bank_transaction_id", text, None),
                       *NOTES), "settle": (("bank_transaction_id", text, REQUIRED), ),
        "fail": (("reason", text, None), ), "purchase": (
            ("wallet", text, REQUIRED), ("merchant", text, REQUIRED), *paid, ("order", text, None),
            *NOTES), "refund": (("purchase", text, REQUIRED), ("amount", AMOUNT, None),
                                ("currency", currency, None), ("reason", text, None), *NOTES),
        "transfer": (("from", text, REQUIRED), ("to", text, REQUIRED), *paid, *NOTES), "hold": (
            ("wallet", text, REQUIRED), ("merchant", text, REQUIRED), *paid,
            ("expires_in", SECONDS, 7 * 24 * 3600), ("order", text, None), *NOTES), "capture": (
                ("amount", AMOUNT, None), ("currency", currency, None), ("final", boolean, True)),
        "void": (), "adjustment": (
            ("wallet", text, REQUIRED), ("direction", choice("credit", "debit"), REQUIRED), *paid,
            ("reason", text, REQUIRED), *NOTES), "approve": (("reason", text, None), ),
        "reject": (("reason", text, None), ),
        "key": (("name", text, REQUIRED), ("role", choice(*roles), REQUIRED),
                            ("owner", text, None), ("expires_in", SECONDS, None)),
        "rotate": (("overlap", integer(0, 30 * 24 * 3600), 24 * 3600),
                   ("expires_in", SECONDS, None)),
    }


# What a path's {id} becomes in a batch.
NAMED = {"settle": "withdrawal", "fail": "withdrawal", "capture": "hold", "void": "hold",
         "approve": "approval", "reject": "approval"}

PAGE = (("limit", number_text(1, 1000), 50), ("cursor", text, None))
TIMES = (("from", moment, None), ("to", moment, None))
TYPE = ("type", choice("deposit", "withdrawal", "purchase", "refund", "transfer", "adjustment"),
        None)

QUERIES = {
    "wallets": (("owner", text, None), ("kind", choice("customer", "merchant"), None),
                ("status", choice("active", "frozen",
                                  "closed"), None), ("currency", text, None), *PAGE),
    "wallet_transactions": (TYPE, *TIMES, *PAGE), "balance": (
        ("at", moment, None), ), "withdrawals": (
            ("wallet", text, None), ("status", choice("pending", "settled", "failed"),
                                     None), ("bank_transaction_id", text, None), *TIMES, *PAGE),
    "holds": (("wallet", text, None), ("merchant", text, None),
              ("status", choice("open", "captured", "voided",
                                "expired"), None), ("order", text, None), *PAGE),
    "transactions": (TYPE, ("initiated_by", text, None), ("bank_transaction_id", text, None),
                     ("order", text, None), *TIMES, *PAGE), "keys": PAGE,
    "approvals": (("status", choice("pending", "approved", "refused", "rejected", "expired"), None),
                  ("requested_by", text, None), ("wallet", text, None), *PAGE),
    "check": (("depth", choice("totals", "full"), "totals"), ),
}


def pointer(name):
    return "/" + name.replace("~", "~0").replace("/", "~1")


def decode(table, given):
    """The fields of `table` out of an object, defaults filled in; Invalid names everything that
    is wrong."""
    if not isinstance(given, dict):
        raise Invalid([""])
    checks = {name: check for name, check, _ in table}
    wrong = [pointer(name) for name in given if name not in checks]
    wrong += [pointer(name) for name in getattr(given, "twice", ())]
    decoded = {}
    for name, check, default in table:
        if name not in given:
            if default is REQUIRED:
                wrong.append("/" + name)
            decoded[name] = default
            continue
        try:
            decoded[name] = check(given[name])
        except ValueError:
            wrong.append("/" + name)
    if wrong:
        raise Invalid(wrong)
    return decoded


def parse(body):
    """Strict JSON from bytes; Invalid for anything that is not."""
    def refuse(word):
        raise ValueError(word)

    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=Members,
                              parse_float=NotAnInteger, parse_constant=refuse)
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    except (ValueError, RecursionError):
        raise Invalid([""]) from None
    return document
