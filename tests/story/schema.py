# SPDX-License-Identifier: MIT
"""Holds what a server says about itself in /openapi.json against what it does.

Every answer of every story must have a status that is described for its operation, a code that
the description names, and a body that fits its schema; a request that was accepted must fit the
schema of requests. It knows the part of JSON Schema that the document uses, and refuses to guess
what any other keyword means.
"""

import json
import re

KEYWORDS = {
    "$ref", "description", "type", "properties", "required", "minimum", "maximum",
    "additionalProperties", "items", "const", "enum", "default", "pattern", "minLength",
    "maxLength", "maxProperties", "propertyNames", "anyOf", "oneOf", "minItems", "maxItems",
    "format",
}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


class Description:
    def __init__(self, document):
        self.document = document
        self.operations = []
        for path, methods in document.get("paths", {}).items():
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z")
            for method, operation in methods.items():
                self.operations.append((method.upper(), pattern, operation))

    def find(self, method, path):
        for name, pattern, operation in self.operations:
            if name == method and pattern.match(path):
                return operation
        return None

    def wrong(self, method, target, body, answer):
        """What of this exchange the document does not say; nothing for paths that it doesn't
        know."""
        operation = self.find(method, target.partition("?")[0])
        if operation is None:
            return []
        described = operation["responses"].get(str(answer.status))
        if described is None:
            return [f"openapi: {operation['operationId']}: no {answer.status} ({answer.code})"]
        wrong = []
        if answer.code and f"`{answer.code}`" not in described["description"]:
            wrong.append(
                f"openapi: {operation['operationId']}: {answer.status} does not name {answer.code}")
        for content in described.get("content", {}).values():
            if answer.json is not None and "schema" in content:
                wrong += [
                    f"openapi: the answer{line}"
                    for line in self.misfit(content["schema"], answer.json)
                ]
        if answer.status < 300 and body:
            schema = operation.get("requestBody",
                                   {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is not None and not (b"operations" in body and answer.status == 200):
                wrong += [
                    f"openapi: the request{line}" for line in self.misfit(schema, json.loads(body))
                ]
        return wrong[:5]

    def misfit(self, schema, value, where=""):
        """Where the value does not fit the schema."""
        unknown = set(schema) - KEYWORDS
        if unknown:
            return [f"{where}: the schema has keywords that this test does not know: {unknown}"]
        wrong = []
        if "$ref" in schema:
            wrong += self.misfit(self.follow(schema["$ref"]), value, where)
        if "const" in schema and value != schema["const"]:
            wrong.append(f"{where}: {value!r} is not {schema['const']!r}")
        if "enum" in schema and value not in schema["enum"]:
            wrong.append(f"{where}: {value!r} is none of {schema['enum']}")
        for keyword, enough in (("anyOf", lambda fits: fits >= 1), ("oneOf",
                                                                    lambda fits: fits == 1)):
            if keyword in schema:
                fits = sum(1 for inner in schema[keyword] if not self.misfit(inner, value, where))
                if not enough(fits):
                    wrong.append(f"{where}: fits {fits} of {keyword}")
        return wrong + self.misfit_of_kind(schema, value, where)

    def follow(self, reference):
        place = self.document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        return place

    def misfit_of_kind(self, schema, value, where):
        kind = schema.get("type")
        if kind == "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                return [f"{where}: {value!r} is no integer"]
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                return [f"{where}: {value} is out of bounds"]
            return []
        if kind is not None and not isinstance(value, TYPES[kind]):
            return [f"{where}: {value!r} is no {kind}"]
        if isinstance(value, str):
            return self.misfit_of_text(schema, value, where)
        if isinstance(value, list):
            return [
                line for index, item in enumerate(value)
                for line in self.misfit(schema.get("items", {}), item, f"{where}/{index}")
            ]
        if isinstance(value, dict):
            return self.misfit_of_object(schema, value, where)
        return []

    @staticmethod
    def misfit_of_text(schema, value, where):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return [f"{where}: {len(value)} characters"]
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return [f"{where}: {value!r} does not match {schema['pattern']}"]
        return []

    def misfit_of_object(self, schema, value, where):
        wrong = [
            f"{where}: {name} is missing" for name in schema.get("required", [])
            if name not in value
        ]
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        if len(value) > schema.get("maxProperties", len(value)):
            wrong.append(f"{where}: too many members")
        for name, inner in value.items():
            if "propertyNames" in schema:
                wrong += self.misfit(schema["propertyNames"], name, f"{where}/{name}")
            if name in properties:
                wrong += self.misfit(properties[name], inner, f"{where}/{name}")
            elif more is False:
                wrong.append(f"{where}: {name} is not described")
            elif more is not True:
                wrong += self.misfit(more, inner, f"{where}/{name}")
        return wrong
