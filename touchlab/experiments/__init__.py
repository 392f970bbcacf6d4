"""Experiments to come: which to run next, who is held back, and how a running one goes.

`design` says what a holdout can find, `plan` ranks them, `assign` draws the arms, `watch` looks
at those that run. What finished ones found is read in `drivers`.
"""
