"""Data in: one contract, and tables of any kind opened and checked against it.

`contract` says what the tables must hold; `locate` finds them, `connect` reaches databases and
clusters, `readers` bring files and frames into the engine, `paths` reads journeys already
counted; `checks` holds them against the contract; `dataset` is what opening gives.
"""
