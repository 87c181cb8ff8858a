"""Whatever fits the schema of a request is answered, and never by a 500."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from controller.api import make_app
from tests.support.asgi import client as client_of
from tests.support.fleet import Fleet

TOKEN = "a token for tests"  # noqa: S105 - opens nothing but this test's controller

NAMES = st.sampled_from(["dev-1", "farm-a", "crop-model", "x" * 63])
# What the pattern of a field lets through, by the pattern's text.
PATTERNS = {
    r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$": st.sampled_from(["1.0.0", "9"]),
    r"^[0-9a-f]{64}$": st.sampled_from(["0" * 64, "f" * 64]),
    r"^[0-9a-f]{32}$": st.sampled_from(["0" * 32, "f" * 32]),
    r"^([0-9a-f]{2})*$": st.binary(max_size=40).map(bytes.hex),
}


def values(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON values that a schema of OpenAPI 3.1 admits, as far as this API uses it."""
    if "$ref" in schema:
        return values(whole["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], whole)
    if "anyOf" in schema:
        return st.one_of([values(choice, whole) for choice in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    make = {"object": _objects, "array": _arrays, "string": _strings, "integer": _integers}
    if schema["type"] in make:
        return make[schema["type"]](schema, whole)
    return {"number": st.floats(0, 0.01), "boolean": st.booleans(), "null": st.none()}[schema["type"]]


def _objects(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        (inner,) = schema.get("patternProperties", {"": schema.get("additionalProperties")}).values()
        return st.dictionaries(NAMES, values(inner, whole), max_size=3)
    needed = set(schema.get("required", ()))
    fields = {name: values(field, whole) for name, field in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: field for name, field in fields.items() if name in needed},
        optional={name: field for name, field in fields.items() if name not in needed},
    )


def _arrays(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.lists(values(schema["items"], whole), max_size=4)


def _strings(schema: dict[str, Any], _: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return PATTERNS.get(schema["pattern"], NAMES)
    return st.one_of(NAMES, st.text(max_size=60))


def _integers(schema: dict[str, Any], _: dict[str, Any]) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", -(10**40))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 10**40 + 1) - 1)
    edges = [n for n in (0, 1, 2**31, 2**63 - 1, 2**63, 2**64, 10**30, low, high) if low <= n <= high]
    return st.one_of(st.integers(low, high), st.sampled_from(edges))


def operations(whole: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.timeout(60)
def test_no_request_that_fits_the_schema_is_answered_by_a_500(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.join("dev-1")
    fleet.release()
    app = make_app(fleet.service, TOKEN)
    whole = app.openapi()
    with client_of(app, TOKEN) as client:

        @settings(
            max_examples=200, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )  # fmt: skip
        @given(st.data())
        def ask(data: st.DataObject) -> None:
            method, path, operation = data.draw(st.sampled_from(operations(whole)))
            url, query = path, {}
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "header":
                    continue
                value = data.draw(values(parameter["schema"], whole))
                if parameter["in"] == "path":
                    url = url.replace("{" + parameter["name"] + "}", quote(str(value), safe="") or "x")
                elif value is not None:
                    query[parameter["name"]] = value
            content = operation.get("requestBody", {}).get("content", {})
            body = data.draw(values(content["application/json"]["schema"], whole)) if content else None
            note(f"{method} {url} {query} {json.dumps(body)}")
            extra = {"json": body} if content else {}
            answer = client.request(method, url, params=query, **extra)
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json", answer.text

        ask()
    fleet.close()
