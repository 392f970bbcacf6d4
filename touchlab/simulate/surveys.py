"""Short surveys after touches: who is asked, who answers, and with which score.

The experience at a touch is, in standard deviations: the mean quality of the touchpoint,
how content the customer is in general, how this customer gets on with this touchpoint,
and chance; a hidden touch (trouble) in the two weeks before costs `TROUBLE` each.
NPS asks for the overall opinion: the touchpoints met so far, weighted by `weight`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from touchlab.simulate.draws import Floats, Integers, normal_at, uniform_at
from touchlab.simulate.points import processes
from touchlab.simulate.population import DAY
from touchlab.simulate.world import SurveySpec, World

CONTENT, OWN, CHANCE, TROUBLE = 0.6, 0.6, 0.5, 0.9
TROUBLE_DAYS = 14
SLOWEST_DAYS = 7
MEAN_ANSWER_DAYS = 1.0
HOUR = 3_600
SCALES = {"nps": (7.4, 2.0, 0, 10), "csat": (3.8, 0.8, 1, 5), "ces": (5.1, 1.2, 1, 7)}
"""Score of an average experience, points per standard deviation, lowest, highest."""

COLUMNS = ["customer", "sent", "second", "touchpoint", "metric", "score"]


def survey_answers(world: World, events: pd.DataFrame, until: Integers, seed: int) -> pd.DataFrame:
    """One row a survey sent; `second` (of the answer) and `score` are missing if unanswered."""
    parts = [answers_to(world, survey, events, until, seed) for survey in world.surveys]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=float) for name in COLUMNS})
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["customer", "sent", "metric"], kind="stable", ignore_index=True)


def answers_to(
    world: World, survey: SurveySpec, events: pd.DataFrame, until: Integers, seed: int
) -> pd.DataFrame:
    key = f"survey {survey.touchpoint} {survey.metric}"
    rows = touches_of(world, events, [survey.touchpoint])
    customer, touched = rows["customer"].to_numpy(), rows["second"].to_numpy()
    sent = touched + HOUR + (uniform_at(seed, f"{key} sent", customer, touched) * DAY).astype(int)
    asked = uniform_at(seed, key, customer, touched) < survey.sent
    asked &= sent < until[customer]
    customer, touched, sent = customer[asked], touched[asked], sent[asked]

    felt = (
        overall(world, events, customer, touched, seed)
        if survey.metric == "nps"
        else (experience(world, survey.touchpoint, customer, seed))
    )
    felt = felt + CHANCE * normal_at(seed, f"{key} chance", customer, touched)
    felt -= TROUBLE * troubles(world, events, customer, touched)

    # Content people answer more readily: the mean of the answers flatters.
    willing = expit(logit(survey.answered) + survey.answered_slope * felt)
    patience = -np.log(uniform_at(seed, f"{key} delay", customer, touched)) * MEAN_ANSWER_DAYS
    second = sent + (np.minimum(patience, SLOWEST_DAYS) * DAY).astype(int) + 1
    answered = uniform_at(seed, f"{key} answered", customer, touched) < willing
    answered &= second < until[customer]
    return pd.DataFrame(
        {
            "customer": customer,
            "sent": sent,
            "second": np.where(answered, second, np.nan),
            "touchpoint": survey.touchpoint,
            "metric": survey.metric,
            "score": np.where(answered, scores(survey.metric, felt), np.nan),
        }
    )


def touches_of(world: World, events: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    codes = [processes(world).index(name) for name in names]
    return events[events["process"].isin(codes)]


def scores(metric: str, felt: Floats) -> Floats:
    middle, step, lowest, highest = SCALES[metric]
    return np.clip(np.round(middle + step * felt), lowest, highest)


def experience(world: World, touchpoint: str, customer: Integers, seed: int) -> Floats:
    """What customers feel at a touchpoint, before trouble and chance."""
    quality = next(spec.quality for spec in world.touchpoints if spec.name == touchpoint)
    content = normal_at(seed, "content", customer)
    return quality + CONTENT * content + OWN * normal_at(seed, f"own {touchpoint}", customer)


def overall(
    world: World, events: pd.DataFrame, customer: Integers, second: Integers, seed: int
) -> Floats:
    """The overall opinion: what was felt at the touchpoints met so far, by weight."""
    total = CONTENT * normal_at(seed, "content", customer)
    for spec in world.touchpoints:
        if spec.weight:
            met = touches_of(world, events, [spec.name])
            first = met.groupby("customer")["second"].min().reindex(customer).to_numpy(dtype=float)
            own = spec.quality + normal_at(seed, f"own {spec.name}", customer)
            total += np.where(first <= second, spec.weight * own, 0.0)
    return total


def troubles(world: World, events: pd.DataFrame, customer: Integers, second: Integers) -> Integers:
    """Hidden touches in the two weeks up to a moment."""
    rows = touches_of(world, events, world.hidden)
    span = (world.days + TROUBLE_DAYS + 1) * DAY
    place = rows["customer"].to_numpy() * span + rows["second"].to_numpy()
    here = customer * span + second
    before = np.searchsorted(place, here, side="right")
    old = np.searchsorted(place, np.maximum(here - TROUBLE_DAYS * DAY, customer * span))
    return np.asarray(before - old)
