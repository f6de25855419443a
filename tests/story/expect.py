# SPDX-License-Identifier: MIT
"""Compares answers with what a story expects, and every answer with what all answers must be.

Each function gives back a list of sentences about what is wrong; an empty one means that all is
well.
"""

import json
import re

from language import Malformed, fill, in_json, plain

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\Z")
ID = re.compile(r"[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}\Z")
CODES = {
    "invalid_request": 400, "unauthenticated": 401, "forbidden": 403, "not_found": 404,
    "method_not_allowed": 405, "wallet_frozen": 409, "wallet_closed": 409, "wallet_not_empty": 409,
    "duplicate_bank_transaction": 409, "hold_not_open": 409, "withdrawal_not_pending": 409,
    "credit_limit_in_use": 409, "last_admin_key": 409, "version_mismatch": 412,
    "cannot_receive": 422, "cannot_pay": 422, "approval_required": 422,
    "approval_not_pending": 409, "second_principal_needed": 403,
    "request_too_large": 413, "unsupported_media_type": 415, "insufficient_funds": 422,
    "currency_mismatch": 422, "same_wallet": 422, "not_a_merchant": 422, "not_a_purchase": 422,
    "refund_exceeds_purchase": 422, "capture_exceeds_hold": 422, "balance_limit_exceeded": 422,
    "idempotency_key_reused": 422, "rate_limited": 429, "internal": 500, "busy": 503,
    "storage_full": 507, "unconfirmed": 504,
}


def stands_for(pattern, value):
    """Whether a value fits a pattern such as <time>; None when the text is no pattern."""
    word = pattern[1:-1]
    if word == "any":
        return True
    if word == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if word == "text":
        return isinstance(value, str) and value != ""
    if word == "time":
        return isinstance(value, str) and bool(TIME.match(value))
    if word == "id":
        return isinstance(value, str) and bool(ID.match(value))
    if word.endswith(" id"):
        return isinstance(value, str) and bool(
            ID.match(value)) and value.startswith(word[:-3] + "_")
    return None


def part_of(expected, got, where=""):
    """What of `expected` is not in `got`: objects may have more fields, lists must be as long."""
    place = where or "the answer"
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [f"{place}: expected an object, got {got!r}"]
        wrong = []
        for name, value in expected.items():
            if name not in got:
                wrong.append(f"{where}/{name}: expected {in_json(value)}, but it is left out")
            else:
                wrong += part_of(value, got[name], f"{where}/{name}")
        return wrong
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return [f"{place}: expected {in_json(expected)}, got {in_json(got)}"]
        return [
            line for index, item in enumerate(expected)
            for line in part_of(item, got[index], f"{where}/{index}")
        ]
    if isinstance(expected, str) and expected.startswith("<") and expected.endswith(">"):
        fits = stands_for(expected, got)
        if fits is None:
            raise Malformed(f"nobody knows what {expected} stands for")
        return [] if fits else [f"{place}: expected {expected}, got {in_json(got)}"]
    if type(expected) is not type(got) or expected != got:
        return [f"{place}: expected {in_json(expected)}, got {in_json(got)}"]
    return []


def texts_of(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    elif isinstance(value, str):
        yield value


def has_null(value):
    if isinstance(value, dict):
        return any(has_null(inner) for inner in value.values())
    if isinstance(value, list):
        return any(has_null(inner) for inner in value)
    return value is None


def always(answer, path):
    """What holds for every answer: content type, no nulls, the problem's shape, ETag on wallets
    and only there."""
    if answer.status == 204:
        return [] if answer.body == b"" else ["204 has a body"]
    if path.startswith("/metrics") and answer.status == 200:
        return []
    wrong = []
    kind = answer.headers.get("content-type", "").split(";")[0]
    expected_kind = "application/problem+json" if answer.status >= 400 else "application/json"
    if kind != expected_kind:
        wrong.append(f"Content-Type: expected {expected_kind}, got {kind or 'none'}")
    if path.startswith("/openapi.json") or path in ("/healthz", "/readyz"):
        return wrong
    document = answer.json
    if not isinstance(document, dict):
        return wrong + [f"the body is no JSON object: {answer.body[:200]!r}"]
    if has_null(document):
        wrong.append("a field is null, though fields without a value are left out")
    if answer.status >= 400:
        wrong += problem(answer)
    tag = answer.headers.get("etag")
    is_wallet = answer.status < 300 and "credit_limit" in document and "version" in document
    if is_wallet and tag != f'"{document["version"]}"':
        wrong.append(f'ETag: expected "{document["version"]}", got {tag}')
    return wrong


def problem(answer):
    document = answer.json
    wrong = []
    for name in ("code", "title", "detail"):
        if not isinstance(document.get(name), str) or not document[name]:
            wrong.append(f"a problem without {name}")
    if document.get("status") != answer.status:
        wrong.append(
            f"the problem's status is {document.get('status')}, the answer's {answer.status}")
    if CODES.get(document.get("code")) != answer.status:
        wrong.append(f"{document.get('code')} with status {answer.status}")
    if answer.status == 401 and "www-authenticate" not in answer.headers:
        wrong.append("401 without WWW-Authenticate (RFC 9110)")
    if answer.status == 405 and "allow" not in answer.headers:
        wrong.append("405 without Allow (RFC 9110)")
    return wrong


def status_line(text, answer, variables):
    """`201 {...}`, `409 wallet_frozen {...}` or `400|404`."""
    match = re.match(r"([0-9|]+)(?:\s+([a-z_]+))?(?:\s+(.*))?\Z", text, re.DOTALL)
    if not match:
        raise Malformed(f"no expectation: {text}")
    wrong = []
    if str(answer.status) not in match[1].split("|"):
        wrong.append(f"status: expected {match[1]}, got {answer.status}")
    if match[2] and answer.code != match[2]:
        wrong.append(f"code: expected {match[2]}, got {answer.code}")
    if match[3]:
        try:
            expected = json.loads(fill(match[3], variables, in_json))
        except ValueError as error:
            raise Malformed(f"the expected JSON is malformed: {error}") from None
        wrong += part_of(expected, answer.json)
    return wrong


def points_to(answer, pointer):
    return any(
        text in (pointer, "#" + pointer) or text.endswith(pointer) and text.startswith(("/", "#/"))
        for text in texts_of(answer.json))


def left_out(document, path):
    *outer, name = path.split(".")
    for part in outer:
        document = document.get(part)
        if not isinstance(document, dict):
            return [f"/{part}: expected an object, got {in_json(document)}"]
    if name not in document:
        return []
    return [f"/{path}: expected to be left out, got {in_json(document[name])}"]


def one(text, answer, variables, answers):
    """Judges one expectation line; a list of what is wrong."""
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    document = answer.json if isinstance(answer.json, dict) else {}
    if word[0].isdigit():
        return status_line(text, answer, variables)
    if word == "<":
        name, _, value = (part.strip() for part in fill(rest, variables, plain).partition(":"))
        got = answer.headers.get(name.lower())
        if got is None or value and got != value:
            return [f"header {name}: expected {value or 'any value'}, got {got}"]
        return []
    if word == "<!":
        got = answer.headers.get(rest.lower())
        return [] if got is None else [f"header {rest}: expected none, got {got}"]
    if word == "no":
        return [line for name in rest.split() for line in left_out(document, name)]
    if word == "fields":
        wanted, got = set(rest.split()), set(document)
        return [] if wanted == got else [
            f"fields: missing {sorted(wanted - got)}, too many {sorted(got - wanted)}"
        ]
    if word == "pointer":
        return [] if points_to(answer, rest) else [f"no JSON pointer {rest} in the problem"]
    if word == "says":
        said = answer.body.decode("utf-8", "replace")
        parts = [
            part[1] or part[2]
            for part in re.finditer(r'"([^"]*)"|(\S+)', fill(rest, variables, plain))
        ]
        return [f"the answer does not say {part!r}" for part in parts if part not in said]
    if word == "same":
        first = answers[rest.removeprefix("as").strip()]
        if (answer.status, answer.body) == (first.status, first.body):
            return []
        return [f"expected the same bytes as before: {first!r}"]
    if word == "ids":
        expected = fill(rest, variables, plain).split()
        got = [item.get("id") for item in document.get("items", [])]
        return [] if got == expected else [f"ids: expected {expected}\n     got {got}"]
    if word == "count":
        got = len(document.get("items", []))
        return [] if got == int(rest) else [f"count: expected {rest}, got {got}"]
    if word in ("replayed", "maybe"):
        return []  # judged with the header, which must also be absent everywhere else
    raise Malformed(f"no expectation: {text}")
