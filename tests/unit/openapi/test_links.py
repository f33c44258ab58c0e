"""What may follow an answer is told with it, and can be asked as it is told."""

import json

import pytest

from infra.openapi.__main__ import PATH

DOCUMENT = json.loads(PATH.read_text())
OPERATIONS = {it["operationId"]: it for methods in DOCUMENT["paths"].values() for it in methods.values()}
LINKS = [
    pytest.param(source, link, id=f"{source}-{name}")
    for source, operation in OPERATIONS.items()
    for answer in operation["responses"].values()
    for name, link in answer.get("links", {}).items()
]


def schema_of(operation, kind):
    if kind == "body":
        content = operation["requestBody"]["content"]
    else:
        content = next(answer for status, answer in operation["responses"].items() if status.startswith("2")).get("content", {})
    return DOCUMENT["components"]["schemas"][content["application/json"]["schema"]["$ref"].rpartition("/")[2]]


@pytest.mark.parametrize(("source", "link"), LINKS)
def test_a_link_takes_what_is_there_to_where_it_is_wanted(source, link):
    target = OPERATIONS[link["operationId"]]
    taken = link.get("parameters", {}) | link.get("requestBody", {})
    assert taken
    for expression in taken.values():
        where, _, name = expression.replace("#/", ".").rpartition(".")
        if where == "$response.body":
            assert name in schema_of(OPERATIONS[source], "answer")["properties"]
        else:
            assert where == "$request.path"
            assert name in {parameter["name"] for parameter in OPERATIONS[source]["parameters"]}
    in_path = {parameter["name"] for parameter in target.get("parameters", ()) if parameter["in"] == "path"}
    assert set(link.get("parameters", {})) == in_path
    assert set(link.get("requestBody", {})) <= set(schema_of(target, "body")["properties"]) if "requestBody" in link else True


@pytest.mark.parametrize("thing", ["supplier", "customer", "product"])
def test_what_was_created_can_be_read_changed_and_deleted_and_what_was_deleted_asked_for(thing):
    def follow(source, status):
        return set(OPERATIONS[f"{source}_{thing}"]["responses"][status]["links"])

    assert {f"get_{thing}", f"update_{thing}", f"delete_{thing}"} <= follow("create", "201")
    assert {f"get_{thing}", f"delete_{thing}"} <= follow("update", "200")
    assert f"get_{thing}" in follow("delete", "204")


def test_who_has_bought_can_sell_and_cancel():
    assert "get_storage_of_product" in OPERATIONS["create_procurement"]["responses"]["201"]["links"]
    order = OPERATIONS["create_order"]["responses"]["201"]["links"]
    assert {"get_order", "cancel_order"} <= set(order)
    product = OPERATIONS["create_product"]["responses"]["201"]["links"]["create_order"]
    assert product == {"operationId": "create_order", "requestBody": {"product_id": "$response.body#/id"}}


def test_an_order_is_told_how_fine_a_quantity_may_be_and_a_price():
    wanted = schema_of(OPERATIONS["create_order"], "body")["properties"]
    assert wanted["quantity"]["multipleOf"] == 0.001
    assert schema_of(OPERATIONS["create_product"], "body")["properties"]["price_buy"]["multipleOf"] == 0.01
    assert "multipleOf" not in json.dumps(schema_of(OPERATIONS["get_product"], "answer"))
