"""Prefix, keys and headers, as they meet any request."""

import base64
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

KEY, OTHER = "k" * 32, "o" * 32
DOCS = ["/docs", "/redoc", "/openapi.json", "/static-offline-docs/swagger-ui.css"]
PAGES = ["/", "/console/page/page.js", "/console/about"]
PREDICT = {"transaction_id": "12345"}


@pytest.fixture
def guarded(make_app: Callable, start: Callable) -> Iterator[TestClient]:
    with start(make_app(api_keys=SecretStr(f"{OTHER}, {KEY}"))) as client:
        yield client


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY},
        {"X-API-Key": OTHER},
        {"X-API-Key": f"{KEY} "},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {KEY}"},
        {"Authorization": basic(KEY)},
    ],
    ids=[
        "its own header",
        "another key",
        "with a space behind",
        "bearer",
        "bearer in small letters",
        "a browser's login",
    ],
)
def test_request_with_a_key_is_answered(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/predict", json=PREDICT, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": f"{KEY}, {OTHER}"},
        {"X-API-Key": "\xff" * 32},
        {"Authorization": "Bearer"},
        {"Authorization": f"Digest {KEY}"},
        {"Authorization": "Basic %%%"},
        {"Authorization": basic("")},
        {"X-API-Key": "wrong", "Authorization": f"Bearer {KEY}"},
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/fraud_detection/infer"])
def test_request_without_a_known_key_is_refused(
    guarded: TestClient, source: object, path: str, headers: dict[str, str]
) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = guarded.post(path, json=PREDICT, headers=raw)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "X-API-Key" in answer.text
    assert KEY not in answer.text
    assert source.reads == []


@pytest.mark.parametrize("path", ["/model", "/health", "/metrics", "/v2", "/nowhere", *DOCS, *PAGES])
def test_everything_needs_a_key_but_what_probes_ask(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 401
    assert guarded.head(path).status_code == 401


@pytest.mark.parametrize("path", ["/live", "/ready", "/v2/health/live", "/v2/health/ready"])
def test_probes_need_no_key(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/live/../model", "/live/", "/Live", "/%6Cive/x", "//model", "/metricsx"])
def test_path_like_an_open_one_is_not_open(make_app: Callable, start: Callable, path: str) -> None:
    with start(make_app(api_keys=SecretStr(KEY), open_without_key=("metrics",))) as client:
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("part", "paths"), [("metrics", ["/metrics"]), ("docs", DOCS), ("console", PAGES)], ids=lambda item: item
)
def test_part_left_open_by_name_needs_no_key(
    make_app: Callable, start: Callable, part: str, paths: list[str]
) -> None:
    every = {"/metrics", *DOCS, *PAGES}
    with start(make_app(api_keys=SecretStr(KEY), open_without_key=(part,))) as client:
        assert {path for path in every if client.get(path).status_code == 200} == set(paths)
        assert client.post("/predict", json=PREDICT).status_code == 401


def test_every_answer_has_the_security_headers(guarded: TestClient, source: object) -> None:
    source.read = None  # Nothing that anybody foresaw.
    key = {"X-API-Key": KEY}
    answers = [
        guarded.get("/live"),
        guarded.get("/model"),
        guarded.get("/nowhere", headers=key),
        guarded.post("/predict", content=b"", headers=key),
        guarded.post("/predict", json=PREDICT, headers=key),
        *(guarded.get(path, headers=key) for path in (*DOCS, *PAGES)),
    ]
    assert [answer.status_code for answer in answers[:5]] == [200, 401, 404, 415, 500]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert "strict-transport-security" not in answer.headers


def test_no_page_of_another_site_may_read_answers(client: TestClient) -> None:
    asked = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/predict", headers=asked)
    answer = client.get("/model", headers=asked)
    assert preflight.status_code == 405
    assert not [name for name in (*preflight.headers, *answer.headers) if name.startswith("access-control")]


@pytest.fixture(params=["told by the proxy", "told by the setting"])
def prefixed(request: pytest.FixtureRequest, make_app: Callable, start: Callable) -> Iterator[TestClient]:
    by_proxy = request.param == "told by the proxy"
    with start(make_app(root_path="" if by_proxy else "/fraud/v1")) as client:
        client.headers.update({"X-Forwarded-Prefix": "/fraud/v1/"} if by_proxy else {})
        yield client


def test_pages_behind_a_prefix_lead_back_through_it(prefixed: TestClient) -> None:
    assert prefixed.get("/openapi.json").json()["servers"] == [{"url": "/fraud/v1"}]
    for page in ("/docs", "/redoc"):
        text = prefixed.get(page).text
        assert "/fraud/v1/openapi.json" in text
        assert "/fraud/v1/static-offline-docs/" in text
        assert '"/static-offline-docs/' not in text
    for path in (*DOCS, *PAGES):
        assert prefixed.get(path).status_code == 200, path


def test_routes_behind_a_prefix_answer_as_they_would_without(prefixed: TestClient) -> None:
    assert prefixed.post("/predict", json=PREDICT).status_code == 200
    refused = prefixed.post("/v2/models/fraud_detection/infer", content=b"{")
    assert (refused.status_code, list(refused.json())) == (400, ["error"])
    before = prefixed.get("/metrics").text
    assert 'predictions_total{outcome="invalid",source="memory"} 1.0' in before


def test_prefix_that_a_proxy_does_not_strip_is_taken_off(make_app: Callable, start: Callable) -> None:
    with start(make_app(root_path="/fraud", api_keys=SecretStr(KEY))) as client:
        assert client.get("/fraud/live").status_code == 200
        assert client.get("/fraudulent/live").status_code == 401
        answer = client.post("/fraud/predict", json=PREDICT, headers={"X-API-Key": KEY})
        assert answer.status_code == 200


@pytest.mark.parametrize("prefix", ["https://example.com", '/"><script>', "//example.com", "/a/../b c", "/é"])
def test_prefix_that_is_no_path_is_passed_over(client: TestClient, prefix: str) -> None:
    answer = client.get("/docs", headers={"X-Forwarded-Prefix": prefix.encode()})
    assert "'/openapi.json'" in answer.text
    assert prefix not in answer.text


def test_prefix_opens_nothing(guarded: TestClient) -> None:
    assert guarded.get("/model", headers={"X-Forwarded-Prefix": "/live"}).status_code == 401
    assert guarded.get("/live/model", headers={"X-Forwarded-Prefix": "/live"}).status_code == 401
