"""Requests made from the API's own schema, right and wrong: no 5xx, no hang, every refusal in one form.

`NETWRIGHT_FUZZ=2000 pytest tests/serve/test_fuzz.py` tries that many for each operation.
"""

from __future__ import annotations

import os
import warnings

import pytest
from serving import Live

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, seed, settings
    from hypothesis import strategies as st
    from schemathesis.generation.modes import GenerationMode

COUNT = int(os.environ.get("NETWRIGHT_FUZZ", "3"))
ALLOWED = {200, 400, 404, 405, 413, 415, 422, 429}


@pytest.mark.filterwarnings("ignore")
def test_requests_made_of_the_schema(every: Live) -> None:
    schema = schemathesis.openapi.from_dict(every.client.get("/openapi.json").json())
    tried = dict[int, int]()
    for result in schema.get_all_operations():
        operation = result.ok()
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        strategies = [operation.as_strategy(generation_mode=mode) for mode in modes]

        @seed(0)
        @settings(max_examples=COUNT, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(strategies))
        def ask(case: schemathesis.Case) -> None:
            found = case.call(base_url=every.base, timeout=20)
            tried[found.status_code] = tried.get(found.status_code, 0) + 1
            assert found.status_code in ALLOWED, (found.status_code, found.text)
            if found.status_code >= 400:
                assert found.json()["error"]["message"]

        ask()
    print(f"{sum(tried.values()):,} requests: {tried}")
    assert tried.get(200) and tried.get(400, 0) + tried.get(422, 0)


@settings(max_examples=10 * COUNT, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=400), kind=st.sampled_from(["application/json", "multipart/form-data; boundary=x", "", "text/xml"]), path=st.sampled_from(["/models/table/predict", "/models/pictures/predict", "/v1/completions", "/v1/chat/completions"]))  # fmt: skip
def test_bytes_of_any_sort(every: Live, content: bytes, kind: str, path: str) -> None:
    found = every.client.post(path, content=content, headers={"content-type": kind})
    assert found.status_code in ALLOWED - {200}, found.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["size", "city", "advert", "en", "x", "picture", "prompt", "messages", "model", "é"]), inner, max_size=9),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=10 * COUNT, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    value=JSON,
    path=st.sampled_from(["/models/table/predict", "/models/flat/predict", "/models/pairs/predict", "/v1/completions"]),
)
def test_json_of_any_sort(every: Live, value: object, path: str) -> None:
    import json

    found = every.client.post(path, content=json.dumps(value), headers={"content-type": "application/json"})
    assert found.status_code in ALLOWED, found.text
