# SPDX-License-Identifier: MIT
"""What neither JSON Schema nor schemathesis can say, and Florin insists on.

- Amounts are integers as they are written: 312.0 is one to JSON Schema, and none to Florin, where
  no number near money has a point in it.
- Metadata is bounded in bytes of UTF-8, where maxLength counts characters.
- Where it cannot draw a header from its pattern (quotes and hyphens) schemathesis sends "0" and
  calls it valid; it gets a value that is. Headers that are meant to be wrong stay wrong.
- A cursor comes from the page before; one that was made up is refused, however well formed.
- `from` is not later than `to`.
"""

import datetime

import schemathesis

DRAWN = {"If-Match": '"1"', "Florin-Position": "1-1"}
NAME_BYTES_MAX, VALUE_BYTES_MAX = 64, 512


def as_written(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: as_written(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_written(inner) for inner in value]
    return value


def size(text):
    return len(text.encode("utf-8", "surrogatepass"))


def metadata_fits(body):
    if isinstance(body, list):
        return all(metadata_fits(inner) for inner in body)
    if not isinstance(body, dict):
        return True
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        for name, value in metadata.items():
            if size(name) > NAME_BYTES_MAX or isinstance(value, str) and \
                    size(value) > VALUE_BYTES_MAX:
                return False
    return metadata_fits(body.get("operations"))


def moment(text):
    when = datetime.datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=datetime.timezone.utc)


def put_in_order(query):
    """What is none of the times that Python reads stands alone."""
    try:
        if moment(query["from"]) > moment(query["to"]):
            query["from"], query["to"] = query["to"], query["from"]
    except (ValueError, OverflowError, TypeError):
        query.pop("to")


@schemathesis.hook
def map_body(context, body):
    return as_written(body)


@schemathesis.hook
def filter_body(context, body):
    return metadata_fits(body)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        case.query.pop("cursor", None)
        if "from" in case.query and "to" in case.query:
            put_in_order(case.query)
    for name, value in DRAWN.items():
        if case.headers and case.headers.get(name) == "0":
            case.headers[name] = value
