"""Money: what an incremental outcome costs, and where the next euro brings most.

`response` says what more or fewer touches bring and which amounts are best, `costs` sets what they
cost beside it, `plan` settles what may be moved, and says what that gains and how sure it is.
"""
