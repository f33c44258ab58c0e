"""Suppliers and customers: the same rules, so the same tests."""

from urllib.parse import quote

import pytest

from tests.factories import given_order, given_product, given_supplier, party
from tests.integration.services.conftest import count, undelivered

PLURALS = ("suppliers", "customers")


@pytest.mark.parametrize("plural", PLURALS)
def test_create_read_update_delete(api, plural):
    made = api.post(f"/api/{plural}", party(name="Ånna & Søn 🦆", city="Sankt Gallen"))
    assert made.status == 201
    path = f"/api/{plural}/{made.json['id']}"
    assert made.headers["location"] == path
    assert api.get(path).json == made.json

    changed = api.put(path, party(name="New name"))
    assert changed.status == 200
    assert changed.json["name"] == "New name"
    assert changed.json["version"] == made.json["version"] + 1
    assert api.get(path).json == changed.json

    assert api.delete(path).status == 204
    assert api.get(path).status == 404
    assert api.put(path, party()).status == 404
    assert api.delete(path).status == 404
    assert api.get(f"/api/{plural}").json["total"] == 0


@pytest.mark.parametrize("plural", PLURALS)
def test_every_change_is_told(api, plural):
    singular = plural[:-1]
    path = f"/api/{plural}/{api.post(f'/api/{plural}', party(name='A')).json['id']}"
    api.put(path, party(name="B"))
    api.delete(path)
    told = undelivered()
    assert [event["event_type"] for _, event in told] == [f"{singular}_created", f"{singular}_updated", f"{singular}_deleted"]
    assert {channel for channel, _ in told} == {f"{singular}_events"}
    assert [event["version"] for _, event in told] == [1, 2, 3]
    assert [event["name"] for _, event in told] == ["A", "B", "B"]


@pytest.mark.parametrize("plural", PLURALS)
@pytest.mark.parametrize("city", ["Zürich", "東京", "Saint-Étienne", "Rio & São Paulo", "a/b", "100%", "O'Hare"])
def test_list_of_a_city_whatever_its_name(api, plural, city):
    api.post(f"/api/{plural}", party(city="elsewhere"))
    wanted = api.post(f"/api/{plural}", party(city=city)).json
    found = api.get(f"/api/{plural}/city/{quote(city, safe='')}")
    assert found.json[plural] == [wanted]
    assert found.json["total"] == 1


def test_list_of_a_city_nobody_is_in_is_empty(api):
    assert api.get("/api/suppliers/city/Nowhere").json["suppliers"] == []


class TestLists:
    @pytest.fixture
    def seven(self, api):
        return [api.post("/api/suppliers", party(name=f"Name {i % 3}", city=f"City {i}")).json for i in range(7)]

    def test_pages_by_offset(self, api, seven):
        page = api.get("/api/suppliers?start=2&limit=3").json
        assert page["suppliers"] == seven[2:5]
        assert {name: page[name] for name in ("start", "limit", "count", "total")} == {"start": 2, "limit": 3, "count": 3, "total": 7}

    def test_pages_by_cursor_end_where_the_rows_do(self, api, seven):
        seen, after = [], 0
        while after is not None:
            page = api.get(f"/api/suppliers?after={after}&limit=3").json
            seen += page["suppliers"]
            after = page["next_after"]
        assert seen == seven

    def test_cursor_runs_backwards_too(self, api, seven):
        first = api.get("/api/suppliers?sort=-id&limit=4").json
        rest = api.get(f"/api/suppliers?sort=-id&limit=4&after={first['next_after']}").json
        assert first["suppliers"] + rest["suppliers"] == seven[::-1]

    def test_sorts_and_breaks_ties_by_id(self, api, seven):
        names = [(s["name"], s["id"]) for s in api.get("/api/suppliers?sort=name").json["suppliers"]]
        assert names == sorted(names)
        backwards = [(s["name"], s["id"]) for s in api.get("/api/suppliers?sort=-name").json["suppliers"]]
        assert backwards == names[::-1]

    def test_cursor_goes_with_any_order(self, api, seven):
        for sort in ("name", "-name", "-city"):
            whole = api.get(f"/api/suppliers?sort={sort}").json["suppliers"]
            seen, after = [], None
            while after is not None or not seen:
                page = api.get(f"/api/suppliers?sort={sort}&limit=2" + (f"&after={after}" if after else "")).json
                seen, after = seen + page["suppliers"], page["next_after"]
            assert seen == whole

    def test_searched_words_begin_words_of_what_is_found(self, api, seven):
        odd = api.post("/api/suppliers", party(name="Łódź & Søn 50%_OFF", city="Ñuñoa", contact_person="Zoë O'Hara")).json
        assert api.get("/api/suppliers?q=name%201").json["total"] == 2
        for text in ("lodz", "ŁÓD", "son%20nun", "50", "off", "%25_off", "zoe%20hara", "o'hara", "OFF%20lodz%20lodz"):
            assert api.get(f"/api/suppliers?q={text}").json["suppliers"] == [odd], text
        for text in ("odz", "ff", "lodz%20name", "zoes"):
            assert api.get(f"/api/suppliers?q={text}").json["suppliers"] == [], text

    def test_what_holds_no_word_narrows_nothing(self, api, seven):
        for text in ("", "%20", "%25", "%26%20-"):
            assert api.get(f"/api/suppliers?q={text}").json["total"] == 7, text

    def test_is_found_by_what_it_is_called_now(self, api, seven):
        path = f"/api/suppliers/{seven[2]['id']}"
        assert api.put(path, party(name="Renamed", city="City 2")).status == 200
        assert [s["id"] for s in api.get("/api/suppliers?q=renamed").json["suppliers"]] == [seven[2]["id"]]
        assert api.get("/api/suppliers?q=name%202").json["total"] == 1
        assert api.delete(path).status == 204
        assert api.get("/api/suppliers?q=renamed").json["total"] == 0

    def test_filters(self, api, seven):
        assert api.get("/api/suppliers?city=City%205").json["suppliers"] == [seven[5]]
        assert api.get("/api/suppliers?name=Name%200&limit=1").json["total"] == 3
        ids = f"{seven[1]['id']},{seven[4]['id']}"
        assert api.get(f"/api/suppliers?ids={ids}").json["suppliers"] == [seven[1], seven[4]]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("start=-1", "start"),
            ("start=x", "start"),
            ("start=99999999999999999999", "start"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("after=-3", "after"),
            ("colour=red", "colour"),
            ("limit=1&limit=2", "limit"),
            ("ids=1,x", "ids.1"),
            ("ids=0", "ids.0"),
            ("q=" + "x" * 201, "q"),
            ("q=%00", "q"),
            ("sort=password", "body"),
            ("after=3&start=2", "body"),
            ("after=999999&sort=name", "after"),
        ],
    )
    def test_unfit_parameter_is_named(self, api, query, field):
        answer = api.get(f"/api/suppliers?{query}")
        assert answer.status == 422
        assert field in [error["field"] for error in answer.json["errors"]]

    def test_start_beyond_the_end_is_an_empty_page(self, api, seven):
        page = api.get("/api/suppliers?start=100").json
        assert (page["suppliers"], page["count"], page["total"], page["next_after"]) == ([], 0, 7, None)


def test_supplier_of_a_product_cannot_be_deleted(api):
    product = given_product(api)
    answer = api.delete(f"/api/suppliers/{product['supplier_id']}")
    assert (answer.status, answer.json["code"]) == (409, "supplier_in_use")
    assert api.get(f"/api/suppliers/{product['supplier_id']}").status == 200


def test_customer_of_an_order_cannot_be_deleted(api):
    order = given_order(api, given_product(api, stock=5))
    answer = api.delete(f"/api/customers/{order['customer_id']}")
    assert (answer.status, answer.json["code"]) == (409, "customer_in_use")
    assert count("customers") == 1


@pytest.mark.parametrize("unfit", ["0", "-1", "x", "1.5", "99999999999", "9" * 5000, "%00", "1;DROP TABLE suppliers", "²"])
def test_unfit_id_in_the_path_is_named(api, unfit):
    given_supplier(api)
    answer = api.get(f"/api/suppliers/{quote(unfit)}")
    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == "supplier_id"
    assert count("suppliers") == 1
