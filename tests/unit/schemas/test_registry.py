"""The registry client against canned answers: what each failure becomes. The real registry is in `tests/stack/`."""

import json
from collections.abc import Callable

import httpx
import pytest

from freshet.errors import FreshetError
from freshet.schemas.registry import NO_REASON, Registry, RegistryUnreachable, SchemaNotFound, SchemaRefused

Handler = Callable[[httpx.Request], httpx.Response]


def registry(handler: Handler) -> Registry:
    return Registry("http://registry", transport=httpx.MockTransport(handler))


def answering(status: int, body: object) -> Registry:
    return registry(lambda request: httpx.Response(status, json=body))


def failing(error: Exception) -> Registry:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    return registry(handler)


def test_an_id_that_is_not_there_is_not_found() -> None:
    with pytest.raises(SchemaNotFound, match="Schema 7 not found"):
        answering(404, {"message": "Schema 7 not found.", "error_code": 40403}).schema(7)


@pytest.mark.parametrize("status", [409, 422])
def test_a_refused_schema_carries_the_reason_without_the_exception_class(status: int) -> None:
    body = {"message": "io.apicurio.rules.RuleViolationException: Incompatible artifact: [campaign at /fields/9]"}
    with pytest.raises(SchemaRefused) as refusal:
        answering(status, body).register("interactions-value", "{}")
    assert str(refusal.value) == "Incompatible artifact: [campaign at /fields/9]"


@pytest.mark.parametrize("error", [httpx.ConnectError("Connection refused"), httpx.ReadTimeout("timed out")])
def test_no_answer_is_one_sentence_that_says_what_to_do(error: Exception) -> None:
    with pytest.raises(
        RegistryUnreachable, match=r"^The schema registry at http://registry does not answer .*`freshet up`"
    ):
        failing(error).schema(1)


def test_an_error_without_text_is_named_by_its_kind() -> None:
    with pytest.raises(RegistryUnreachable, match="ReadTimeout"):
        failing(httpx.ReadTimeout("")).schema(1)


@pytest.mark.parametrize("body", [{"message": "storage is down"}, {"detail": "storage is down"}])
def test_a_server_error_may_pass_and_tells_the_status(body: object) -> None:
    with pytest.raises(RegistryUnreachable, match=r"answered 500: storage is down"):
        answering(500, body).schema(1)


def test_an_answer_that_is_no_json_is_quoted() -> None:
    with pytest.raises(RegistryUnreachable, match="Bad Gateway"):
        registry(lambda request: httpx.Response(502, text="<h1>Bad Gateway</h1>")).schema(1)


def test_an_unusable_address_is_told_like_an_unreachable_one() -> None:
    with pytest.raises(RegistryUnreachable, match="FRESHET_REGISTRY__URL"):
        Registry("http://[bad").schema(1)


def test_all_failures_are_shown_to_the_user_as_one_sentence() -> None:
    assert all(issubclass(kind, FreshetError) for kind in (RegistryUnreachable, SchemaRefused, SchemaNotFound))


def test_registering_sets_the_rule_before_the_schema() -> None:
    calls: list[tuple[str, str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(200, json={"id": 5})

    assert registry(handler).register("interactions-value", "{}") == 5
    assert calls == [
        ("PUT", "/config/interactions-value", {"compatibility": "BACKWARD_TRANSITIVE"}),
        ("POST", "/subjects/interactions-value/versions", {"schema": "{}"}),
    ]


def test_an_unknown_subject_has_no_versions_no_rule_and_no_problems() -> None:
    unknown = answering(404, {"message": "Subject not found."})
    assert unknown.versions("x-value") == []
    assert unknown.rule("x-value") is None
    assert unknown.problems("x-value", "{}") == []


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        ({"is_compatible": True}, []),
        ({"is_compatible": False, "messages": ["no default for campaign"]}, ["no default for campaign"]),
        ({"is_compatible": False}, [NO_REASON]),
    ],
)
def test_problems_are_the_registrys_words_where_it_has_some(answer: object, problems: list[str]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[1] if request.method == "GET" else answer)

    assert registry(handler).problems("interactions-value", "{}") == problems
