"""Find pairs of touchpoints that work better, or worse, together than apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from touchlab.contract import listing
from touchlab.drivers.hazard import Model, Parameters, fit, some_of
from touchlab.drivers.ratios import Pairs, tie
from touchlab.drivers.score import Scorer
from touchlab.errors import ParameterError

Floats = npt.NDArray[np.float64]
LEVEL = 0.1
"""Chance that the screen takes any pair where there is none."""
FEWEST_TOGETHER = 20
"""Events at which both touchpoints are present, for a pair to be looked at."""
PRESENT = 0.05
MOST_PAIRS, MOST_TIED = 6, 8
"""Effects honour pairs by going through the coalitions of touchpoints tied together."""
MOST_WORK = 4e10
"""Multiplications; beyond it the screen looks at a part of the moments."""


@dataclass(frozen=True)
class Score:
    """How much a pair would gain: z of its score, 0 where too few events tell."""

    pairs: Pairs
    z: Floats


def choose_pairs(
    model: Model, synergy: str | Sequence[tuple[str, str]] | None
) -> tuple[Model, Parameters, list[str]]:
    """Fit the model with the pairs asked for, or those that the screen finds; and notes.

    The screen goes forward: it takes the pair whose score is furthest from 0, refits and
    looks again, until none is beyond the threshold.
    """
    if synergy is None:
        return model, fit(model), []
    if not isinstance(synergy, str):
        model = replace(model, pairs=_asked(model, synergy))
        return model, fit(model), []
    if synergy != "screen":
        raise ParameterError(
            f"synergy: {synergy!r} is not a choice\n  use 'screen', None, or pairs of touchpoints"
        )
    given = fit(model)
    while len(model.pairs) < MOST_PAIRS:
        score = score_pairs(model, given)
        found = _strongest(model, score)
        if found is None:
            break
        start = np.append(given.packed, 0.0)
        model = replace(model, pairs=(*model.pairs, found))
        given = fit(model, start)
    names = model.moments.touchpoints
    notes = [
        f"synergy found: {listing([names[a]])} with {listing([names[b]])}" for a, b in model.pairs
    ]
    return model, given, notes


def score_pairs(model: Model, given: Parameters) -> Score:
    """Score tests of all pairs that the model does not have."""
    model = _manageable(model)
    scorer, k = Scorer(model, given), model.touchpoints
    exposure = scorer.design[:k]
    here = (exposure > PRESENT) & (model.moments.table.event.to_numpy() == 1)
    together = here.astype(float) @ here.T.astype(float)
    pairs: list[tuple[int, int]] = []
    z: list[Floats] = []
    for a in range(k - 1):
        enough = [b for b in range(a + 1, k) if together[a, b] >= FEWEST_TOGETHER]
        others = [b for b in enough if (a, b) not in model.pairs]
        if others:
            z.append(scorer.z(exposure[a] * exposure[others]))
            pairs += [(a, b) for b in others]
    return Score(tuple(pairs), np.concatenate(z) if z else np.zeros(0))


def _strongest(model: Model, score: Score) -> tuple[int, int] | None:
    if not score.pairs:
        return None
    threshold = stats.norm.isf(LEVEL / 2 / len(score.pairs))
    for i in np.argsort(-np.abs(score.z)):
        if abs(score.z[i]) < threshold:
            return None
        if max(map(len, tie((*model.pairs, score.pairs[i])))) <= MOST_TIED:
            return score.pairs[i]
    return None


def _manageable(model: Model) -> Model:
    """Take every so many moments where all would be too much work; a part is a fair sample."""
    count, k = len(model.moments.table), model.touchpoints
    step = int(np.ceil(count * k**2 / 2 * (model.size + 4) / MOST_WORK))
    return model if step <= 1 else some_of(model, np.arange(0, count, step))


def _asked(model: Model, synergy: Sequence[tuple[str, str]]) -> Pairs:
    names = list(model.moments.touchpoints)
    found: list[tuple[int, int]] = []
    for pair in synergy:
        if len(pair) != 2 or pair[0] == pair[1] or any(name not in names for name in pair):
            raise ParameterError(
                f"synergy: {pair!r} is not a pair of touchpoints\n"
                f"  give two different ones of {listing(names)}"
            )
        a, b = sorted(names.index(name) for name in pair)
        found.append((a, b))
    pairs = tuple(dict.fromkeys(found))
    if pairs and max(map(len, tie(pairs))) > MOST_TIED:
        raise ParameterError(
            f"synergy: the pairs tie more than {MOST_TIED} touchpoints together\n  give fewer pairs"
        )
    return pairs
