"""Money: what an incremental outcome costs, and where the next euro brings most.

`costs` adds up what touches cost, `lift` says what more or fewer touches do to the hazard and
`response` what that does to outcomes, `limits` what may be moved, `plan` spends a budget best,
`proposal` says what that gains and how sure that is, `returns` sets cost beside what it brings.
"""
