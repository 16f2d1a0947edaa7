"""A random forest on the features: trees grown apart on small samples of rows and columns, and averaged.

Labels of neighbouring hours overlap, so a sample as large as the span would hold every hour many times over;
``row_share`` near one over the horizon makes a tree's rows about independent. Each leaf is drawn towards zero by
``l2``, as boosted trees' leaves are: plain means of so few independent rows would mostly be noise.
"""

import math
from typing import Any

import numpy as np
from pydantic import Field

from services.inference import tree_models
from services.inference.forest import Forest, Tree, at_most_float32, gather
from services.inference.series import Floats


class Params(tree_models.Params):
    """``trees`` are averaged; a tree looks at its own ``feature_share`` of the columns at each split."""

    trees: int = Field(ge=1)


class Model(tree_models.TreeModel):
    """scikit-learn's trees compare single-precision values by ``<=`` with double thresholds."""

    kind = Params

    def grow(self, x: Floats, units: Floats, seed: int, thrift: int) -> Forest:
        """Grow trees, each on its own bootstrap sample of the rows."""
        ensemble = tree_models.library("random_forest", "sklearn.ensemble")
        p = self.params
        count = -(-p.trees // thrift)
        grown = ensemble.RandomForestRegressor(
            n_estimators=count,
            max_depth=p.depth,
            min_samples_leaf=p.rows_per_leaf,
            max_features=p.feature_share,
            max_samples=math.ceil(p.row_share * len(x)),
            random_state=seed,
            n_jobs=1,
        ).fit(x, units)
        return gather([_tree(one.tree_, p.l2, count) for one in grown.estimators_], x.shape[1])


def _tree(grown: Any, l2: float, count: int) -> Tree:
    weight = grown.weighted_n_node_samples
    return Tree(
        grown.feature,
        at_most_float32(grown.threshold),
        grown.children_left,
        grown.children_right,
        grown.missing_go_to_left.astype(np.bool_),
        grown.value[:, 0, 0] * (weight / (weight + l2)) / count,
    )
