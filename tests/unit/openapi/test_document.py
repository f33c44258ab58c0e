"""The OpenAPI document: up to date, complete, and readable by a person."""

import json
import re

import pytest

from infra.deploy import template
from infra.openapi.__main__ import PATH
from infra.openapi.document import build, text_of
from infra.stack.instance import PROJECT_DIR
from system import documents


@pytest.fixture(scope="module")
def document():
    return build(PROJECT_DIR / "template.yaml")


def test_the_document_that_is_served_is_up_to_date(document):
    assert PATH.read_text(encoding="utf-8") == text_of(document), "run: make openapi"


def test_every_route_of_the_template_is_described(document):
    functions = template.resources_of(template.load(PROJECT_DIR / "template.yaml"), template.FUNCTION).values()
    routes = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower())
        for function in functions
        for event in function.get("Events", {}).values()
    }
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == routes | {("/api/events", "get")}


def test_every_answer_but_none_has_a_shape(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
            assert answers, (path, method)
            for status, answer in answers.items():
                assert status == "204" or answer["content"], (path, method)


def test_references_lead_somewhere(document):
    for reference in re.findall(r'"\$ref": "([^"]+)"', text_of(document)):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_operations_have_names_of_their_own(document):
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_what_needs_no_token_says_so(document):
    public = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if operation.get("security") == [] and not path.endswith("/health")
    }
    assert public == {"/api/auth/register", "/api/auth/login", "/api/openapi.json", "/api/docs"}


def test_money_is_a_number_and_a_moment_is_a_text(document):
    order = document["components"]["schemas"]["OrderOut"]["properties"]
    assert order["unit_price"]["type"] == order["total_cost"]["type"] == "number"
    assert (order["timestamp"]["type"], order["timestamp"]["format"]) == ("string", "date-time")


def test_lists_say_by_what_they_can_be_sorted(document):
    (sort,) = [p for p in document["paths"]["/api/products"]["get"]["parameters"] if p["name"] == "sort"]
    assert {"name", "-name", "price_sell"} <= set(sort["schema"]["enum"])


def test_the_page_for_people_shows_every_route_and_needs_nothing_from_elsewhere(document):
    page = documents.docs()
    for path in document["paths"]:
        assert path in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert json.loads(documents.openapi()) == document


def test_every_link_on_the_page_for_people_leads_to_one_place(document):
    page = documents.docs()
    places = re.findall(r'id="([^"]+)"', page)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)


def test_every_status_that_rules_and_gateway_answer_is_told(document):
    answered = {
        ("get", "/api/inventory"): {"200", "304", "401", "403", "422", "429", "503", "default"},
        ("get", "/api/products"): {"200", "401", "403", "422", "429", "503", "default"},
        ("get", "/api/products/{product_id}"): {"200", "401", "403", "404", "422", "429", "503", "default"},
        ("post", "/api/products"): {"201", "400", "401", "403", "409", "413", "422", "429", "503", "default"},
        ("post", "/api/auth/login"): {"200", "400", "401", "403", "413", "422", "429", "503", "default"},
        ("get", "/api/auth/users"): {"200", "401", "403", "422", "429", "503", "default"},
        ("get", "/health"): {"200", "429", "503", "default"},
    }
    for (method, path), statuses in answered.items():
        assert document["paths"][path][method]["responses"].keys() == statuses, path


def test_bounds_of_what_is_sent_are_told(document):
    product, order = (document["components"]["schemas"][name]["properties"] for name in ("ProductIn", "OrderIn"))
    assert (product["price_buy"]["minimum"], product["price_buy"]["maximum"]) == (0, 9_999_999)
    assert order["quantity"]["exclusiveMinimum"] == 0
    assert not re.search(product["name"]["pattern"], "bell\x07")
    assert re.search(product["name"]["pattern"], "Łódź 🎁")


def test_what_may_be_kept_by_a_browser_names_nobody(document):
    people = {"username", "email", "contact_person", "customer_name", "payload"}

    def properties(schema):
        if isinstance(schema, dict):
            yield from schema.get("properties", {})
            if "$ref" in schema:
                yield from properties(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            yield from properties(part)

    reads = {path: methods["get"]["responses"] for path, methods in document["paths"].items() if "get" in methods}
    kept = {path for path, answers in reads.items() if "304" in answers}
    assert {"/api/inventory", "/api/orders/statistics"} <= kept
    assert not kept & {"/api/customers/{customer_id}", "/api/orders", "/api/products", "/api/system/events", "/api/auth/me"}
    for path in kept:
        assert not people & set(properties(reads[path]["200"].get("content", {}))), path
