"""Many rows in one request: each has its outcome, and all of it happens once per key."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.factories import given_product, given_supplier, party, product
from tests.integration.services.conftest import count, movements_of, undelivered


def outcomes(answer):
    assert answer.status == 200, answer.text
    return [(row["outcome"], row["code"]) for row in answer.json["rows"]]


@pytest.mark.parametrize("plural", ["suppliers", "customers"])
def test_parties_are_made_and_changed_and_each_row_has_its_outcome(api, plural):
    known = api.post(f"/api/{plural}", party(name="before")).json
    rows = [
        party(name="new"),
        {"id": known["id"], **party(name="after")},
        {"id": 999, **party()},
        {"id": known["id"], **party(name="twice")},
    ]
    answer = api.post(f"/api/{plural}/import", {plural: rows})
    code = f"{plural[:-1]}_not_found"
    assert outcomes(answer) == [("created", None), ("updated", None), ("refused", code), ("refused", code)]
    made, changed = answer.json["rows"][0]["id"], answer.json["rows"][1]["id"]
    assert changed == known["id"]
    assert api.get(f"/api/{plural}/{made}").json["name"] == "new"
    assert (api.get(f"/api/{plural}/{changed}").json["name"], api.get(f"/api/{plural}/{changed}").json["version"]) == ("after", 2)
    assert [event["event_type"].split("_")[1] for _, event in undelivered()] == ["created", "created", "updated"]


def test_products_are_known_by_their_codes(api):
    supplier = given_supplier(api)
    known = given_product(api, supplier_id=supplier["id"], product_code="K", name="before")
    rows = [
        product(supplier["id"], product_code="N", name="new"),
        product(supplier["id"], product_code="K", name="after"),
        product(999, product_code="M"),
        product(supplier["id"], product_code="N", name="twice"),
        product(supplier["id"], product_code="k", name="another code, not another case"),
    ]
    answer = api.post("/api/products/import", {"products": rows})
    assert outcomes(answer) == [
        ("created", None),
        ("updated", None),
        ("refused", "supplier_not_found"),
        ("refused", "product_code_taken"),
        ("created", None),
    ]
    assert answer.json["rows"][1]["id"] == known["id"]
    assert api.get(f"/api/products/{known['id']}").json["name"] == "after"
    assert {p["product_code"] for p in api.get("/api/products").json["products"]} == {"N", "K", "k"}


def test_corrections_are_done_one_after_the_other_and_never_below_zero(api, stock_of):
    first, second = given_product(api, stock=10), given_product(api, stock=5)
    corrections = [
        {"product_id": second["id"], "delta": -5, "reason": "damage"},
        {"product_id": first["id"], "quantity": 3, "reason": "count", "reference": "shelf 4"},
        {"product_id": second["id"], "delta": -1},
        {"product_id": 999, "delta": 1},
        {"product_id": second["id"], "delta": 2, "reason": "return"},
    ]
    answer = api.post("/api/inventory/corrections", {"corrections": corrections})
    assert outcomes(answer) == [
        ("moved", None),
        ("moved", None),
        ("refused", "insufficient_stock"),
        ("refused", "product_not_found"),
        ("moved", None),
    ]
    assert [row["quantity"] for row in answer.json["rows"]] == [0, 3, None, None, 2]
    assert (stock_of(first), stock_of(second)) == (3, 2)
    assert [m["delta"] for m in movements_of(api, second)] == [5, -5, 2]


def test_a_row_is_done_once_under_its_key_whatever_rows_it_comes_with(api, stock_of):
    made = given_product(api, stock=10)

    def correct(*rows):
        corrections = [{"product_id": made["id"], "delta": delta, "key": key} for key, delta in rows]
        return outcomes(api.post("/api/inventory/corrections", {"corrections": corrections}))

    assert correct(("a", -4), ("b", -7)) == [("moved", None), ("refused", "insufficient_stock")]
    assert correct(("a", -4), ("c", -1)) == [("moved", None), ("moved", None)]
    assert correct(("c", -1), ("a", -4)) == [("moved", None), ("moved", None)]
    assert stock_of(made) == 5
    # What was refused may be tried again.
    assert correct(("d", 9), ("b", -7)) == [("moved", None), ("moved", None)]
    reused = api.post("/api/inventory/corrections", {"corrections": [{"product_id": made["id"], "delta": -6, "key": "b"}]})
    assert (reused.status, reused.json["code"]) == (422, "idempotency_key_reused")
    assert stock_of(made) == 7


def test_parties_are_made_once_under_their_keys(api):
    row = {"key": "line 2", **party()}
    first, second = (api.post("/api/suppliers/import", {"suppliers": [row]}).json["rows"] for _ in range(2))
    assert first == second
    assert count("suppliers") == 1


def test_of_the_same_rows_at_once_each_is_done_once(api, stock_of):
    made = given_product(api, stock=0)
    rows = [{"product_id": made["id"], "delta": 1, "key": f"line {n}"} for n in range(20)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: api.post("/api/inventory/corrections", {"corrections": rows[n : n + 15]}), range(6)))
    assert {outcome for answer in answers for outcome, _ in outcomes(answer)} == {"moved"}
    assert stock_of(made) == 20


@pytest.mark.parametrize("key", ["b ", " b", " "])
def test_a_key_that_the_database_would_take_for_another_is_refused(api, stock_of, key):
    made = given_product(api, stock=3)
    answer = api.post("/api/inventory/corrections", {"corrections": [{"product_id": made["id"], "delta": 5, "key": key}]})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "corrections.0.key")
    assert stock_of(made) == 3


def test_rows_of_many_words_are_taken(api):
    """A row's worth of words each, as no name has them: what it takes to note them grows with them, and no more."""
    words = " ".join(f"{number:x}" for number in range(40))
    rows = [party(name=words[:50], city=words[50:90], contact_person=words[60:]) for _ in range(500)]
    answer = api.post("/api/suppliers/import", {"suppliers": rows})
    assert {row["outcome"] for row in answer.json["rows"]} == {"created"}
    assert api.get("/api/suppliers?q=1a&limit=1").json["total"] == 500


def test_a_key_is_for_one_row(api):
    rows = [{"key": "k", **party()}, {"key": "k", **party()}]
    answer = api.post("/api/suppliers/import", {"suppliers": rows})
    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/suppliers/import", {"suppliers": []}, "suppliers"),
        ("/api/suppliers/import", {"suppliers": [party(), party(name="")]}, "suppliers.1.name"),
        ("/api/suppliers/import", {"suppliers": [party(version=7)]}, "suppliers.0.version"),
        ("/api/customers/import", {"customers": [party()] * 501}, "customers"),
        ("/api/products/import", {"products": [product(1), product(1, price_buy=-1)]}, "products.1.price_buy"),
        ("/api/inventory/corrections", {"corrections": [{"product_id": 1}]}, "corrections.0"),
        ("/api/inventory/corrections", {"corrections": [{"product_id": 1, "delta": 1, "reason": "order"}]}, "corrections.0.reason"),
    ],
)
def test_an_unfit_row_is_named_and_nothing_is_done(api, path, body, field):
    answer = api.post(path, body)
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    assert count("suppliers") == count("customers") == count("products") == 0


def test_five_hundred_rows_take_a_moment(api, deliver):
    supplier = given_supplier(api)
    rows = [product(supplier["id"]) for _ in range(500)]
    assert {outcome for outcome, _ in outcomes(api.post("/api/products/import", {"products": rows}))} == {"created"}
    deliver()
    ids = [p["id"] for p in api.get("/api/products?limit=500").json["products"]]
    corrections = [{"product_id": i, "quantity": 5} for i in ids]
    assert {outcome for outcome, _ in outcomes(api.post("/api/inventory/corrections", {"corrections": corrections}))} == {"moved"}
    assert api.get("/api/inventory/reconcile").json["reconciled"]
