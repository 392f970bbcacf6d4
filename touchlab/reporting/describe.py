"""What a run's data held: fingerprint and window, found beside the notebooks."""

import json
import sys
from pathlib import Path

from touchlab.reporting.record import no_window


def describe(place: str, target: str) -> None:
    """Write fingerprint, first and last time of the data at `place` as JSON to `target`."""
    from touchlab.data.dataset import open_data

    data = open_data(place)
    times = data.overview[["first", "last"]].dropna()
    window = no_window()
    if len(times):
        window = {
            "first": times["first"].min().isoformat(),
            "last": times["last"].max().isoformat(),
        }
    found = {"fingerprint": data.fingerprint, "window": window}
    Path(target).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    describe(*sys.argv[1:])
