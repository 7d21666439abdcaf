import json

import pytest

from poc import errors
from poc.serving.problems import (
    InvalidRequest,
    listed_problem_types,
    problem_of,
    problem_response,
    problem_type,
)


def every_error() -> list[type[errors.PocError]]:
    found = [item for item in vars(errors).values() if isinstance(item, type)]
    return [item for item in found if issubclass(item, errors.PocError)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda item: item.__name__)
def test_every_error_of_the_project_is_a_client_or_state_problem(kind: type[errors.PocError]) -> None:
    assert problem_type(kind.__new__(kind)).status in (404, 409, 422, 503)


def test_anything_else_is_an_internal_error() -> None:
    assert problem_type(RuntimeError()).status == 500


def test_subclass_is_its_parents_problem() -> None:
    missing = problem_type(errors.OnlineTableMissing("ks.table"))
    assert missing.slug == "features-not-applied"


def test_what_cassandra_refuses_is_not_told_as_an_outage_that_passes() -> None:
    for refused in (errors.RoleLacksRight("here", "no"), errors.RefusedByGuardrail("page_size", "no")):
        kind = problem_type(refused)
        assert (kind.status, kind.slug, kind.retry_after_seconds) == (503, "cassandra-refuses", None)


def test_same_slug_means_the_same_status() -> None:
    for slug, kind in listed_problem_types().items():
        assert (slug, kind.status) == (kind.slug, kind.status)


def test_text_that_no_encoding_takes_is_still_answered() -> None:
    answer = problem_response(problem_of(errors.UnknownEntity("\ud800")))
    assert json.loads(answer.body)["status"] == 404


def test_invalid_request_lists_fields() -> None:
    assert "errors" in InvalidRequest.model_fields
