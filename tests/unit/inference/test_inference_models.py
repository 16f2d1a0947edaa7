import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference_cases import QUICK_TREES, columns, quick_settings, walk

from services.inference import features, models, settings
from services.inference.forecasting import Forecaster, slices_of
from services.inference.series import BAR_SECONDS, moment
from services.inference.training import rows_of, walk_forward
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

    def predict(self, x):
        return models.Prediction(x[:, column("return_12")] * self.share, np.full(len(x), 0.02))


class Model:
    def __init__(self, params, horizon_bars):
        self.params = models.check(Params, params)

    def fit(self, x, y, seed):
        return json.dumps(self.params.share).encode()

    def load(self, artefact):
        return Fitted(json.loads(artefact))

    def untrained(self):
        return None
"""


def test_another_model_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "momentum.py").write_text(textwrap.dedent(FOURTH))
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    config = quick_settings({"random_walk": {"weight": 1.0}, "momentum": {"weight": 1.0, "params": {"share": 0.5}}})
    candles = {"BTC/USDT": walk(420)}
    trained = list(walk_forward(candles, config))
    made, _ = Forecaster(config, trained).forecast(
        candles, slices_of(candles, [moment(int(candles["BTC/USDT"].ts[-1]) + BAR_SECONDS)]), {}
    )
    forecast = made[0].forecasts[0]
    assert [part.model for part in forecast.parts] == ["random_walk", "momentum"]
    twelve_hours = np.log(candles["BTC/USDT"].close[-1] / candles["BTC/USDT"].close[-13])
    assert forecast.expected_return == pytest.approx(twelve_hours * 0.5 * 0.5)


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
    (tmp_path / "models.yaml").write_text(text.replace("min_train_days: 60", "min_train_days: 600"))
    with pytest.raises(ConfigError, match="max_train_days 365 is below min_train_days 600"):
        settings.load(tmp_path)


@pytest.mark.parametrize("name", ["random_walk", "lightgbm"])
def test_a_row_is_forecast_alike_alone_and_among_others(name: str) -> None:
    model = models.build(name, quick_settings().models[name].params, 12)
    rows = rows_of(walk(600), 12)
    x, y = rows.x[rows.labelled], rows.y[rows.labelled]
    fitted = model.load(model.fit(x, y, 1))
    together = fitted.predict(x)
    for i in range(0, len(x), 37):
        alone = fitted.predict(x[i : i + 1])
        assert alone.expected_return.tobytes() == together.expected_return[i : i + 1].tobytes()
        assert alone.uncertainty.tobytes() == together.uncertainty[i : i + 1].tobytes()
    assert (together.uncertainty > 0).all()


def test_random_walk_spread_grows_with_volatility_and_horizon() -> None:
    x, valid = features.compute(*columns(walk(300)))
    walked = models.build("random_walk", {}, 12).untrained()
    assert walked is not None
    said = walked.predict(x[valid])
    assert (said.expected_return == 0.0).all()
    assert said.uncertainty == pytest.approx(x[valid][:, features.column("volatility_72")] * np.sqrt(12))


def test_random_walk_learns_a_spread_that_covers_what_came() -> None:
    model = models.build("random_walk", {}, 12)
    rows = rows_of(walk(2_000), 12)
    x, y = rows.x[rows.labelled], rows.y[rows.labelled]
    spread = model.load(model.fit(x, y, 1)).predict(x).uncertainty
    assert np.sqrt(np.mean((y / spread) ** 2)) == pytest.approx(1.0)
