"""Privacy: groups of fewer than k customers are not shown, and customers have no names.

`fold` folds rare touchpoints, campaigns and traits before anything is counted; `suppress` hides
small numbers of a table, and those from which they follow; `shown` does so in one report;
`pseudonyms` replaces customer ids under a key.
"""
