"""touchlab: which touchpoints drive conversion, retention and referral, and how sure that is.

The rooms, in the order in which data flows: `data` opens and checks, `journeys` cuts touches
into journeys, `credit` shares out what happened, `moments` samples time at risk, `drivers` says
what would not have happened, `retention`, `experience` and `budget` answer the rest;
`experiments` plans what to try next and watches it, `forecasts` says what comes next and grades
it; `privacy` hides small groups; `show`, `plots` and `sentences` set the answers for reading,
`reporting` runs the notebooks into pages. `simulate` makes customers with a known truth,
`scoreboard` holds every method against it.
"""

import sys
from typing import Any

import lazy_loader

# Names are listed once, in __init__.pyi; loading them on first use keeps the command quick.
_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name != "__version__":
        return _load(name)
    from importlib.metadata import version

    return version(__name__)


def load_ipython_extension(shell: Any) -> None:
    """Make `%load_ext touchlab` work; importing touchlab in IPython does the same."""
    from touchlab.show import install

    install(shell)


def unload_ipython_extension(shell: Any) -> None:
    from touchlab.show import uninstall

    uninstall(shell)


_shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
if _shell is not None:
    load_ipython_extension(_shell)
