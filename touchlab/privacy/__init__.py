"""Privacy: groups of fewer than k customers are not shown, and customers have no names.

cells.py       which numbers of a table are hidden       complement.py  and which with them
fold.py        rare touchpoints, campaigns and traits    pseudonyms.py  keyed customer ids
"""
