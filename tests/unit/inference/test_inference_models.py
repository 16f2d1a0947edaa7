import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_cases import QUICK_TREES, market, quick_settings, walk

from services.inference import models, settings
from services.inference.forecasting import Forecaster, slices_of
from services.inference.series import BAR_SECONDS, moment
from services.inference.walk_forward import walk_forward
from services.kernel.errors import ConfigError

FOURTH = """
import json
import numpy as np
from services.inference import models
from services.inference.features import column


class Params(models.Params):
    share: float


class Fitted:
    def __init__(self, share):
        self.share = share

    def predict(self, windows):
        return models.Prediction(windows[:, -1, column("return_12")] * self.share, np.full(len(windows), 0.02))


class Model:
    bars = 1

    def __init__(self, params, horizon_bars):
        self.params = models.check(Params, params)

    def fit(self, table, rows, y, seed):
        return json.dumps(self.params.share).encode()

    def load(self, artefact):
        return Fitted(json.loads(artefact))

    def untrained(self):
        return None

    def predict_each(self, fitted, windows):
        return models.one_by_one(fitted, windows)
"""


def test_another_model_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "momentum.py").write_text(textwrap.dedent(FOURTH))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    config = quick_settings({"random_walk": {}, "momentum": {"params": {"share": 0.5}}})
    candles = {"BTC/USDT": walk(420)}
    trained = list(walk_forward(market(candles), config))
    made, _ = Forecaster(config, trained).forecast(
        market(candles), slices_of(candles, [moment(int(candles["BTC/USDT"].ts[-1]) + BAR_SECONDS)]), {}
    )
    forecast = made[0].forecasts[0]
    assert [part.model for part in forecast.parts] == ["random_walk", "momentum"]
    twelve_hours = np.log(candles["BTC/USDT"].close[-1] / candles["BTC/USDT"].close[-13])
    assert forecast.parts[1].expected_return == pytest.approx(twelve_hours * 0.5)
    assert 0.0 < forecast.expected_return / twelve_hours < 0.5


@pytest.mark.parametrize("name", ["crystal_ball", "../random_walk", "os.path", ""])
def test_a_model_without_a_file_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"models\.yaml: key 'models\..*there is no file"):
        models.build(name, {}, 12)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rouds": 5}, r"key 'models\.lightgbm\.params\.rouds': Extra inputs are not permitted"),
        ({"rounds": "many"}, r"key 'models\.lightgbm\.params\.rounds': .*got 'many'"),
        ({"row_share": 1.5}, r"key 'models\.lightgbm\.params\.row_share': .*got 1\.5"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_key(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        models.build("lightgbm", {**QUICK_TREES, **change}, 12)


def test_committed_settings_load_and_every_model_can_be_built() -> None:
    loaded = settings.load(Path(__file__).parents[3] / "config")
    assert set(models.build_all(loaded)) == set(loaded.models)
    assert loaded.horizon_bars == 12


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "config" / "models.yaml").read_text()
    (tmp_path / "models.yaml").write_text(text.replace("min_train_days: 60", "min_train_days: 900"))
    with pytest.raises(ConfigError, match="max_train_days 730 is below min_train_days 900"):
        settings.load(tmp_path)
