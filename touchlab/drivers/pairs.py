"""Touchpoints that tire, and pairs that work better or worse together than apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from touchlab.drivers.effects import Pairs, tie
from touchlab.drivers.gate import bends
from touchlab.drivers.hazard import Scorer, fit
from touchlab.drivers.model import PRESENT, Model, Parameters, some_of
from touchlab.errors import ParameterError, listing

Synergy = str | Sequence[tuple[str, str]] | None
LEVEL = 0.1
"""Chance that the screen takes any pair where there is none."""
FEWEST_TOGETHER = 20
"""Events at which both touchpoints are present, for a pair to be looked at."""
MOST_PAIRS, MOST_TIED = 6, 8
"""Effects honour pairs by going through the coalitions of touchpoints tied together."""
MOST_WORK = 4e10
"""Multiplications; beyond it the screen looks at a part of the moments."""


def let_tire(model: Model, given: Parameters) -> tuple[Model, Parameters, list[str]]:
    """Let the curve of touchpoints bend down where many touches do less than it says; and notes.

    A touchpoint that bends is a pair of itself: its squared exposure has an effect of its own.
    Twins stay as they are, since they share one effect.
    """
    untied = ~np.isin(np.arange(model.touchpoints), model.twins)
    while len(bent := np.flatnonzero(untied & (bends(model, given) < 0))):
        untied[bent] = False
        model = replace(model, pairs=(*model.pairs, *[(int(one), int(one)) for one in bent]))
        given = fit(model, np.append(given.packed, np.zeros(len(bent))))
    if not model.pairs:
        return model, given, []
    tired = [model.moments.touchpoints[place] for place, _ in model.pairs]
    return model, given, [f"{listing(tired)}: many touches do less than few, each: fatigue"]


def choose_pairs(
    model: Model, given: Parameters, synergy: Synergy
) -> tuple[Model, Parameters, list[str]]:
    """Fit the model with the pairs asked for, or those that the screen finds; and notes.

    The screen goes forward: it takes the pair whose score is furthest from 0, refits and
    looks again, until none is beyond the threshold.
    """
    if not synergy:
        return model, given, []
    if not isinstance(synergy, str):
        model = replace(model, pairs=(*model.pairs, *_asked(model, synergy)))
        return model, fit(model), []
    if synergy != "screen":
        raise ParameterError(
            f"synergy: {synergy!r} is not a choice\n  use 'screen', None, or pairs of touchpoints"
        )
    names = model.moments.touchpoints
    alone = len(model.pairs)
    while len(model.pairs) < alone + MOST_PAIRS and (pair := _strongest(model, given)):
        model = replace(model, pairs=(*model.pairs, pair))
        given = fit(model, np.append(given.packed, 0.0))
    found = [f"{listing([names[a]])} with {listing([names[b]])}" for a, b in model.pairs[alone:]]
    return model, given, [f"synergy found: {pair}" for pair in found]


def _strongest(model: Model, given: Parameters) -> tuple[int, int] | None:
    """The pair whose score is furthest from 0, beyond what the best of all would be by chance."""
    count, k = len(model.event), model.touchpoints
    step = int(np.ceil(count * k**2 / 2 * (model.size + 4) / MOST_WORK))
    model = some_of(model, slice(None, None, step)) if step > 1 else model
    scorer, pairs, z = Scorer(model, given), [], [np.zeros(0)]
    exposure = scorer.now.design[:k]
    here = ((exposure > PRESENT) & (model.event == 1)).astype(float)
    enough = np.triu(here @ here.T >= FEWEST_TOGETHER, 1)
    enough[tuple(np.array(model.pairs, dtype=int).reshape(-1, 2).T)] = False
    for a in np.flatnonzero(enough.any(axis=1)):
        others = np.flatnonzero(enough[a])
        z.append(np.abs(scorer.z(exposure[a] * exposure[others])))
        pairs += [(int(a), int(b)) for b in others]
    scores = np.concatenate(z)
    for i in np.argsort(-scores):
        if scores[i] < stats.norm.isf(LEVEL / 2 / len(pairs)):
            return None
        if _most_tied((*model.pairs, pairs[i])) <= MOST_TIED:
            return pairs[i]
    return None


def _most_tied(pairs: Pairs) -> int:
    return max(map(len, tie(pairs)), default=0)


def _asked(model: Model, synergy: Sequence[tuple[str, str]]) -> Pairs:
    names = list(model.moments.touchpoints)
    for pair in synergy:
        if len(pair) != 2 or pair[0] == pair[1] or any(name not in names for name in pair):
            raise ParameterError(
                f"synergy: {pair!r} is not a pair of touchpoints\n"
                f"  give two different ones of {listing(names)}"
            )
    found = [sorted(names.index(name) for name in pair) for pair in synergy]
    pairs = tuple(dict.fromkeys((a, b) for a, b in found))
    if _most_tied((*model.pairs, *pairs)) > MOST_TIED:
        raise ParameterError(
            f"synergy: the pairs tie more than {MOST_TIED} touchpoints together\n  give fewer pairs"
        )
    return pairs
