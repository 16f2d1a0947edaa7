"""The figures of docs/sentiment.md, measured again where the labelled texts are; the rules of the split anywhere."""

import os
from pathlib import Path

import polars as pl
import pytest

from services.ingestion.sentiment import scorer
from services.research import sentiment_training
from services.research.sentiment_measure import by_source, macro_f1, measure, vader_compound
from services.research.sentiment_rows import FILES, LABELS, LabelledTextError, part, read_rows

HERE = Path(__file__).parents[3]
DATA = Path(os.environ.get("CHLOE_SENTIMENT_DATA", HERE.parent / "shared" / "data" / "sentiment"))


@pytest.fixture
def labelled() -> Path:
    if not DATA.is_dir():
        pytest.skip("labelled texts are not on this machine: set CHLOE_SENTIMENT_DATA")
    return DATA


def written(folder: Path, texts: list[str], labels: list[str] | None = None) -> Path:
    """Four sets of the same texts."""
    for name in FILES.values():
        frame = pl.DataFrame({"text": texts, "label": labels or [LABELS[i % 3] for i in range(len(texts))]})
        frame.write_parquet(folder / name)
    return folder


def test_copies_are_in_the_same_part_whatever_their_numbers() -> None:
    assert part("Bitcoin at 50000!") == part("bitcoin at 7 https://t.co/x") == part("@you Bitcoin at 123")


def test_three_of_ten_texts_are_for_the_test_and_the_folds_are_even() -> None:
    parts = [part(f"text {'x' * i}") for i in range(2000)]
    assert 0.26 < parts.count(None) / 2000 < 0.34
    assert all(0.10 < parts.count(fold) / 2000 < 0.18 for fold in range(5))


def test_rows_leave_out_empty_texts_and_copies_within_a_set(tmp_path: Path) -> None:
    rows = read_rows(written(tmp_path, ["Up 5%", "up 7%", "", "https://t.co/x", "down"]))
    assert [row.text for row in rows] == ["Up 5%", "down"] * len(FILES)


def test_a_folder_that_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelledTextError, match="no such file"):
        read_rows(tmp_path)
    with pytest.raises(LabelledTextError, match="row 1: label 'sad'"):
        read_rows(written(tmp_path, ["a", "b"], ["positive", "sad"]))
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / FILES["news"])
    with pytest.raises(LabelledTextError, match="columns text and label"):
        read_rows(tmp_path)


def test_macro_f1_is_the_mean_over_the_classes_that_the_labels_have() -> None:
    assert macro_f1(["positive", "negative"], ["positive", "negative"]) == 1.0
    assert macro_f1(["positive", "positive", "negative"], ["positive"] * 3) == pytest.approx((0.8 + 0.0) / 2)
    assert macro_f1(["positive", "negative"], ["neutral", "neutral"]) == 0.0


def test_a_measure_says_how_sure_it_is() -> None:
    labels = ["positive", "negative"] * 50
    found = measure("news", labels, labels, ["positive"] * 100)
    assert (found.accuracy.value, found.vader_accuracy.value, found.n) == (1.0, 0.5, 100)
    assert found.gain.low > 0
    assert found.vader_accuracy.low < 0.5 < found.vader_accuracy.high


def test_beats_vader_by_macro_f1_on_every_set(labelled: Path) -> None:
    pytest.importorskip("vaderSentiment", reason="vaderSentiment is not installed: pip install 'chloe-trading[dev]'")
    found = by_source(read_rows(labelled), vader_compound())
    assert [one.source for one in found] == list(FILES)
    for one in found:
        assert one.f1.value > one.vader_f1.value, one
    news = found[0]
    assert news.gain.low > 0.2


def test_training_again_gives_the_shipped_model(labelled: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'chloe-trading[ml]'")
    sentiment_training.train(labelled, tmp_path, sentiment_training.Choice())
    again = scorer.unpacked((tmp_path / scorer.MODEL).read_bytes())
    model = scorer.shipped()
    texts = [row.text for row in read_rows(labelled)[::50]]
    # Other versions of the solver stop at slightly other places.
    assert max(abs(again.score(text) - model.score(text)) for text in texts) < 0.02
