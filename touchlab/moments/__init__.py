"""Moments at risk: the sample that drivers are fitted on, drawn and described in the engine.

`risk` says who can have an outcome and when, `look` what is known of a customer at a
moment, `sample` draws the case-base sample, `touched` draws touches as events of their own.
"""

from touchlab.moments.look import Points
from touchlab.moments.risk import (
    AFTER,
    DAY_SECONDS,
    ENDING,
    Risk,
    comes_again,
    risk_windows,
    seconds,
)
from touchlab.moments.sample import (
    FEWEST_MOMENTS,
    HALF_LIVES,
    MOST_EVENTS,
    PER_EVENT,
    Moments,
    sample_moments,
)
from touchlab.moments.touched import sample_touches, touch_paths

__all__ = [
    "AFTER",
    "DAY_SECONDS",
    "ENDING",
    "FEWEST_MOMENTS",
    "HALF_LIVES",
    "MOST_EVENTS",
    "PER_EVENT",
    "Moments",
    "Points",
    "Risk",
    "comes_again",
    "risk_windows",
    "sample_moments",
    "sample_touches",
    "seconds",
    "touch_paths",
]

_windows, _seconds = risk_windows, seconds
