"""Gradient-boosted trees on the features, grown leaf by leaf by LightGBM, strongly regularised."""

from typing import Any

import numpy as np
from pydantic import Field

from services.inference import tree_models
from services.inference.forest import Forest, Tree, gather
from services.inference.series import Floats


class Params(tree_models.Boosting):
    """``leaves`` bounds a tree beside its depth."""

    leaves: int = Field(ge=2)


class Model(tree_models.TreeModel):
    """LightGBM's trees compare doubles by ``<=``."""

    kind = Params

    def grow(self, x: Floats, units: Floats, seed: int, thrift: int) -> Forest:
        """Grow trees one after another, each on its own share of rows and columns."""
        lightgbm = tree_models.library("lightgbm", "lightgbm")
        p = self.params
        rounds, rate = p.pace(thrift)
        options = {
            "objective": "regression",
            "boost_from_average": False,
            "learning_rate": rate,
            "max_depth": p.depth,
            "num_leaves": p.leaves,
            "min_data_in_leaf": p.rows_per_leaf,
            "feature_fraction": p.feature_share,
            "bagging_fraction": p.row_share,
            "bagging_freq": 1,
            "lambda_l2": p.l2,
            "max_bin": p.bins,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }
        rows = lightgbm.Dataset(x, label=units, params=options)
        grown = lightgbm.train(options, rows, num_boost_round=rounds).dump_model()
        return gather([_tree(info["tree_structure"]) for info in grown["tree_info"]], x.shape[1])


def _tree(root: dict[str, Any]) -> Tree:
    nodes, left, right = [root], [], []
    for node in nodes:  # which grows while it is read
        inner = "split_feature" in node
        left.append(len(nodes) if inner else -1)
        right.append(len(nodes) + 1 if inner else -1)
        if inner:
            nodes += [node["left_child"], node["right_child"]]
    return Tree(
        np.array([node.get("split_feature", 0) for node in nodes]),
        np.array([node.get("threshold", 0.0) for node in nodes]),
        np.array(left),
        np.array(right),
        np.array([_nan_left(node) for node in nodes]),
        np.array([node.get("leaf_value", 0.0) for node in nodes], dtype=np.float64),
    )


def _nan_left(node: dict[str, Any]) -> bool:
    # A split that saw no NaN in training takes it for zero.
    if node.get("missing_type") == "None":
        return bool(node["threshold"] >= 0.0)
    return bool(node.get("default_left", True))
