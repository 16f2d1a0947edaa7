"""Gradient-boosted trees on the features, grown level by level by XGBoost, strongly regularised."""

import json
from typing import Any

import numpy as np

from services.inference import tree_models
from services.inference.forest import Forest, Tree, below_float32, gather
from services.inference.series import Floats

Params = tree_models.Boosting


class Model(tree_models.TreeModel):
    """XGBoost's trees compare single-precision values by ``<``."""

    kind = Params

    def grow(self, x: Floats, units: Floats, seed: int, thrift: int) -> Forest:
        """Grow trees one after another, each on its own share of rows and columns."""
        xgboost = tree_models.library("xgboost", "xgboost")
        p = self.params
        rounds, rate = p.pace(thrift)
        options = {
            "objective": "reg:squarederror",
            "base_score": 0.0,
            "tree_method": "hist",
            "eta": rate,
            "max_depth": p.depth,
            # The second derivative of half a squared error is 1: a leaf weighs as many as it has rows.
            "min_child_weight": p.rows_per_leaf,
            "colsample_bytree": p.feature_share,
            "subsample": p.row_share,
            "lambda": p.l2,
            "max_bin": p.bins,
            "seed": seed,
            "nthread": 1,
            "verbosity": 0,
        }
        rows = xgboost.QuantileDMatrix(x, label=units, max_bin=p.bins, nthread=1)
        grown = json.loads(xgboost.train(options, rows, num_boost_round=rounds).save_raw("json"))["learner"]
        base = float(grown["learner_model_param"]["base_score"].strip("[]"))
        return gather([_tree(one) for one in grown["gradient_booster"]["model"]["trees"]], x.shape[1], base)


def _tree(grown: dict[str, Any]) -> Tree:
    # One array holds the thresholds of splits and the values of leaves.
    number = np.array(grown["split_conditions"], dtype=np.float32)
    return Tree(
        np.array(grown["split_indices"], dtype=np.int64),
        below_float32(number),
        np.array(grown["left_children"], dtype=np.int64),
        np.array(grown["right_children"], dtype=np.int64),
        np.array(grown["default_left"], dtype=np.bool_),
        number.astype(np.float64),
    )
