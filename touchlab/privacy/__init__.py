"""Privacy: groups of fewer than k customers are not shown, and customers have no names.

cells.py       which numbers of a table are hidden       complement.py  and which with them
fold.py        rare touchpoints, campaigns and traits    pseudonyms.py  keyed customer ids
"""

from touchlab.privacy.cells import MIN_CUSTOMERS, hidden_cells, suppress
from touchlab.privacy.fold import fold_rare
from touchlab.privacy.pseudonyms import pseudonymise

__all__ = ["MIN_CUSTOMERS", "fold_rare", "hidden_cells", "pseudonymise", "suppress"]
