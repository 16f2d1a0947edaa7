"""The corpus: leaks planted one at a time, each in one step of the pipeline. The firewall has to name them all."""

from services.research.leaks.planted import beside, columns, decisions, fits, joins, splits, tables
from services.research.leaks.planted.kinds import Leak

PLANTED: tuple[Leak, ...] = (
    *columns.LEAKS,
    *tables.LEAKS,
    *joins.LEAKS,
    *splits.LEAKS,
    *fits.LEAKS,
    *decisions.LEAKS,
    *beside.LEAKS,
)
