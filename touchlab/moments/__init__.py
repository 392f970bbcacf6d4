"""Moments at risk: the sample that drivers are fitted on, drawn and described in the engine.

`risk` says who can have an outcome and when, `look` what is known of a customer at a
moment, `sample` draws the case-base sample, and touches as events of their own.
"""
