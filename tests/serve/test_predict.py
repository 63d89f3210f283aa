"""`/predict`: rows of every form in, answers and notes out."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from serving import Live, images, table

ROW = {"x": 5.0, "z": -3}


def png(pixels: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")  # type: ignore[arg-type]
    return out.getvalue()


def test_one_row(every: Live) -> None:
    found = every.client.post("/models/flat/predict", json=ROW)
    assert found.status_code == 200
    told = found.json()
    assert told["model"] == "flat" and len(told["version"]) == 12 and "notes" not in told
    (answer,) = told["predictions"]
    assert answer["y"]["predicted"] in ("low", "high")
    assert sum(answer["y"]["probabilities"].values()) == pytest.approx(1)


def test_many_rows_with_their_targets_among_them(every: Live) -> None:
    rows = table(30)
    told = every.client.post("/models/table/predict", json=rows).json()
    assert len(told["predictions"]) == 30
    assert set(told["predictions"][0]) == {"price", "sold", "tags"}


def test_what_was_read_as_unknown_is_told(every: Live) -> None:
    rows = [{**table(3)[k], "city": city} for k, city in enumerate(["Rome", "Atlantis", None])]
    notes = every.client.post("/models/table/predict", json=rows).json()["notes"]
    assert notes == ["city: values not seen in training, such as 'Atlantis'; read as unknown (row 2)"]


def test_notes_are_told_to_their_own_request_alone(every: Live) -> None:
    rows = [{**table(3)[1], "city": f"city {k}"} for k in range(24)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda row: every.client.post("/models/table/predict", json=row).json()["notes"], rows))
    assert [notes[0].count(f"'city {k}'") for k, notes in enumerate(told)] == [1] * 24


def test_images_as_base64_and_as_files(every: Live) -> None:
    content = png(images()["picture"][0])
    by_text = every.client.post("/models/pictures/predict", json={"picture": base64.b64encode(content).decode()}).json()
    address = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    by_address = every.client.post("/models/pictures/predict", json={"picture": address}).json()
    by_file = every.client.post("/models/pictures/predict", files={"picture": ("a.png", content)}).json()
    assert by_text["predictions"] == by_file["predictions"] == by_address["predictions"]
    several = every.client.post(
        "/models/pictures/predict", files=[("picture", ("a.png", content)), ("picture", ("b.png", content))]
    )
    assert len(several.json()["predictions"]) == 2


def test_a_form_of_fields(every: Live) -> None:
    found = every.client.post("/models/flat/predict", files={"x": (None, "5.0"), "z": (None, "-3")}).json()
    assert found["predictions"] == every.client.post("/models/flat/predict", json=ROW).json()["predictions"]


def test_a_run_that_writes_answers_rows(every: Live) -> None:
    told = every.client.post("/models/pairs/predict", json=[{"en": "the red cat"}, {"en": "the blue dog"}]).json()
    assert [set(row["fr"]) for row in told["predictions"]] == [{"predicted", "log_probability"}] * 2


def test_the_only_model_needs_no_name(serve: object, every: Live) -> None:
    live = serve("flat")  # type: ignore[operator]
    assert live.client.post("/predict", json=ROW).json()["model"] == "flat"
    assert live.client.get("/model").json()["name"] == "flat"
    several = "Several models are served, each by its name; there is: "
    refused = every.client.post("/predict", json=ROW)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"].startswith(several + "/models/flat/predict, ")
    assert every.client.get("/model").json()["error"]["message"].startswith(several + "/models/flat, ")
    assert "/models/flat/predict" in every.client.post("/models/flap/predict", json=ROW).json()["error"]["message"]


def test_the_document_is_typed_by_the_columns(every: Live) -> None:
    document = every.client.get("/openapi.json").json()
    row = document["components"]["schemas"]["Row_table"]
    assert row["properties"]["size"]["type"] == ["number", "null"]
    assert "training saw" in row["properties"]["size"]["description"]
    assert set(row["required"]) == {"size", "rooms", "city", "code", "lift", "since", "marks", "advert"}
    assert "/models/flat/predict" in document["paths"] and "/v1/chat/completions" in document["paths"]


def test_what_a_model_tells_of_itself_holds_no_place(every: Live, runs: object) -> None:
    for name in ("flat", "table", "pictures", "chat", "pairs", "poems"):
        found = every.client.get(f"/models/{name}")
        assert str(runs) not in found.text and "/tmp" not in found.text
        told = found.json()
        assert told["recipe"]["target"] and told["scores"]["metrics"] and told["versions"]["netwright"]
        assert told["examples"], name


def test_examples_can_be_asked(every: Live) -> None:
    for name in ("flat", "table", "pictures", "pairs"):
        for example in every.client.get(f"/models/{name}").json()["examples"]:
            found = every.client.post(f"/models/{name}/predict", json=example["row"])
            assert found.status_code == 200, (name, example, found.text)


def test_counters(every: Live) -> None:
    every.client.post("/models/flat/predict", json=[ROW] * 5)
    text = every.client.get("/metrics").text
    assert 'netwright_rows_total{model="flat"}' in text
    assert 'netwright_requests_total{route="/models/flat/predict",status="200"}' in text
    assert "netwright_batch_rows_bucket" in text


def test_health_and_readiness(every: Live) -> None:
    assert every.client.get("/health").json() == {"status": "ok"}
    assert set(every.client.get("/ready").json()["models"]) == {
        "flat",
        "table",
        "pictures",
        "tone",
        "chat",
        "pairs",
        "poems",
    }


def test_requests_that_come_together_are_answered_together(serve: object) -> None:
    live = serve("flat", gather=20)  # type: ignore[operator]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda k: live.client.post("/predict", json={"x": k / 4, "z": 0}).json(), range(96)))
    alone = [live.client.post("/predict", json={"x": k / 4, "z": 0}).json() for k in range(96)]
    for one, two in zip(found, alone, strict=True):
        p, q = (each["predictions"][0]["y"]["probabilities"]["high"] for each in (one, two))
        assert p == pytest.approx(q, abs=1e-5)
    assert json.dumps(found[0])
