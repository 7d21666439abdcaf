import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pytest

from poc.dataset.distribution import Distribution, Values
from poc.definitions import ServedFeatures
from poc.errors import OutputNotWritable, ReferenceUnreadable
from poc.model.reference import (
    FeatureReference,
    TrainingReference,
    read_reference,
    reference_features,
    reference_in_place,
    reference_json,
    reference_path,
)
from poc.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path)


@pytest.fixture
def reference(declared: ServedFeatures) -> TrainingReference:
    rows = pd.DataFrame(
        {
            "price": [float(number) for number in range(100)],
            # A join gives an integer column with a null as floats.
            "hour": [float(number % 3) for number in range(99)] + [None],
            "abroad": [True, False] * 50,
            "shop": ["Toys", "Books"] * 50,
            "browser": [None] * 100,
        }
    )
    return TrainingReference(
        model_name="fraud_detection",
        model_alias="champion",
        model_version="7",
        feature_service=declared.service,
        created_at=datetime(2026, 11, 24, 9, 30, tzinfo=timezone.utc),
        rows=len(rows),
        features=reference_features(declared, rows),
    )


def put(settings: Settings, reference: TrainingReference) -> None:
    with reference_in_place(settings, reference):
        pass


def test_reference_knows_each_features_distribution(reference: TrainingReference) -> None:
    assert reference.rows == 100
    assert reference.features["hour"] == FeatureReference(
        "Int64", Distribution(Values((0, 1, 2)), (33, 33, 33, 0, 1))
    )
    assert reference.features["abroad"].distribution == Distribution(Values((False, True)), (50, 50, 0, 0))
    assert reference.features["browser"] == FeatureReference("String", None)


def test_what_is_written_is_what_is_read(settings: Settings, reference: TrainingReference) -> None:
    put(settings, reference)
    assert read_reference(settings) == reference
    values = read_reference(settings).features["abroad"].distribution.bins.values  # type: ignore[union-attr]
    assert [type(value) for value in values] == [bool, bool]


def test_value_with_letters_that_the_locale_lacks_is_kept(
    settings: Settings, reference: TrainingReference
) -> None:
    shops = FeatureReference("String", Distribution(Values(("B\u00fccher", "\u98df")), (2, 3, 0, 0)))
    reference = replace(reference, features={"shop": shops})
    program = (
        "import sys; from pydantic import TypeAdapter; from poc.model.reference import *;"
        " from poc.settings import Settings; content = sys.stdin.buffer.read()\n"
        "reference = TypeAdapter(TrainingReference).validate_json(content)\n"
        "with reference_in_place(Settings(_env_file=None, data_dir=sys.argv[1]), reference): pass"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program, str(settings.data_dir)]
    content = reference_json(reference).encode()
    subprocess.run(command, input=content, env=os.environ | ascii_only, check=True)
    assert read_reference(settings) == reference


def test_where_no_model_was_trained_there_is_no_reference(settings: Settings) -> None:
    assert read_reference(settings) is None


def test_file_says_who_it_belongs_to(settings: Settings, reference: TrainingReference) -> None:
    put(settings, reference)
    document = json.loads(reference_path(settings).read_text())
    named = {
        name: document[name] for name in ("model_name", "model_alias", "model_version", "feature_service")
    }
    assert named == {
        "model_name": "fraud_detection",
        "model_alias": "champion",
        "model_version": "7",
        "feature_service": "payments_v1",
    }
    assert (document["rows"], document["created_at"]) == (100, "2026-11-24T09:30:00Z")


def test_old_reference_stays_where_the_promotion_fails(
    settings: Settings, reference: TrainingReference
) -> None:
    put(settings, reference)
    with pytest.raises(RuntimeError), reference_in_place(settings, replace(reference, model_version="8")):
        raise RuntimeError
    assert read_reference(settings) == reference
    assert [path.name for path in settings.data_dir.iterdir()] == [
        "training_reference.fraud_detection@champion.json"
    ]


def test_each_alias_and_each_model_has_a_reference_of_its_own(
    settings: Settings, reference: TrainingReference
) -> None:
    put(settings, reference)
    challenger = settings.model_copy(update={"model_alias": "challenger"})
    assert read_reference(challenger) is None
    other = replace(reference, model_alias="challenger", model_version="8")
    put(challenger, other)
    assert (read_reference(settings), read_reference(challenger)) == (reference, other)
    assert read_reference(settings.model_copy(update={"model_name": "spending"})) is None


def test_name_of_a_model_names_no_other_folder(settings: Settings) -> None:
    path = reference_path(settings.model_copy(update={"model_name": "../a@b", "model_alias": "c"}))
    assert path == settings.data_dir / "training_reference...%2Fa%40b@c.json"


@pytest.mark.parametrize("whose", [{"model_alias": "challenger"}, {"model_name": "spending"}])
def test_reference_of_another_model_or_alias_is_refused(
    settings: Settings, reference: TrainingReference, whose: dict[str, str]
) -> None:
    put(settings, replace(reference, **whose))
    [theirs] = whose.values()
    with pytest.raises(ReferenceUnreadable, match=f"it is that of model .*{theirs}"):
        read_reference(settings)


def test_disk_that_refuses_is_found_out_before_the_promotion(
    settings: Settings, reference: TrainingReference
) -> None:
    missing = settings.model_copy(update={"data_dir": settings.data_dir / "missing"})
    promoted = False
    with pytest.raises(OutputNotWritable), reference_in_place(missing, reference):
        promoted = True
    assert not promoted


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Invalid JSON"),
        ("{}", "model_name"),
        ("[1, 2]", "Input should be"),
    ],
)
def test_damaged_file_is_refused_with_the_way_out(settings: Settings, content: str, said: str) -> None:
    reference_path(settings).write_text(content)
    with pytest.raises(ReferenceUnreadable, match=said) as caught:
        read_reference(settings)
    assert "python poc/train_fraud_model.py" in caught.value.way_out


def test_counts_that_do_not_fit_are_refused(settings: Settings, reference: TrainingReference) -> None:
    document = json.loads(reference_json(reference))
    document["features"]["hour"]["distribution"]["counts"] = [1]
    reference_path(settings).write_text(json.dumps(document))
    with pytest.raises(ReferenceUnreadable, match=r"features\.hour"):
        read_reference(settings)
