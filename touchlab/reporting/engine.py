"""papermill's engine, but for saving: once, when the notebook has ended, however it ended.

papermill saves before and after every cell while the kernel waits: with pictures inside,
half of the time that it takes for itself. Imported only when a run starts.
"""

from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

NAME = "touchlab"


class SavedOnce(NBClientEngine):  # type: ignore[misc]
    """Runs a notebook and leaves it to papermill's own end of it to write the file."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> Any:
        path, nb_man.output_path = nb_man.output_path, None
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            nb_man.output_path = path


papermill_engines.register(NAME, SavedOnce)
