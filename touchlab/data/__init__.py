"""Data in: one contract, and tables of any kind opened and checked against it.

In the order of opening: `contract` says what tables must hold; `readers` bring files and frames
into the engine, `connect` reaches databases and clusters, `locate` finds the tables of a source;
`validate` holds them against the contract, `odd` looks at their rows, `alongside` works in what is
given beside them, `paths` reads journeys already counted; `dataset` is what opening gives,
`customers` what the other rooms ask of it. Each knows only those before it.
"""
