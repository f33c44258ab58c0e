import pytest
from pydantic import BaseModel, ValidationError

from common.config import get_settings
from common.errors import InvalidError, ProblemError, UnavailableError


def all_problems(of=ProblemError):
    return [of, *(problem for child in of.__subclasses__() for problem in all_problems(child))]


def test_every_problem_has_a_title_and_a_code():
    for problem in all_problems():
        document = problem("what went wrong").document()
        assert document["status"] == problem.status
        assert document["title"]
        assert document["code"]
        assert " " not in document["code"]


def test_fields_of_a_model_are_named_with_their_path():
    class Inner(BaseModel):
        n: int

    class Outer(BaseModel):
        inner: list[Inner]

    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": [{"n": 1}, {"n": "x"}]})
    problem = InvalidError.from_pydantic(caught.value)
    assert [error["field"] for error in problem.errors] == ["inner.1.n"]
    assert "input" not in problem.errors[0]


def test_unavailable_says_when_to_ask_again():
    assert UnavailableError("x").retry_after > 0


@pytest.mark.parametrize("missing", ["DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD", "REDIS_HOST"])
def test_missing_setting_is_named(monkeypatch, missing):
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=missing):
        get_settings()


def test_unfit_setting_is_named_and_no_secret_is_told(monkeypatch):
    monkeypatch.setenv("REDIS_PORT", "many")
    with pytest.raises(RuntimeError, match="REDIS_PORT") as error:
        get_settings()
    assert "secret" not in str(error.value)


def test_origins_are_a_list():
    assert get_settings().origins == {"http://localhost:8080", "http://page.example"}


def test_crash_points_are_refused_with_a_database_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("CRASH_POINTS", str(tmp_path))
    with pytest.raises(RuntimeError, match="CRASH_POINTS"):
        get_settings()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_crash_points_are_accepted_with_a_database_on_this_machine(monkeypatch, tmp_path, host):
    monkeypatch.setenv("CRASH_POINTS", str(tmp_path))
    monkeypatch.setenv("DATABASE_HOST", host)
    assert get_settings().crash_points == tmp_path


def test_function_is_named_as_in_the_template(monkeypatch):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "inventory-inventory-consumer")
    assert get_settings().function == "inventory-consumer"
