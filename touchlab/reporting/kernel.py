"""A kernel that always runs this interpreter, whatever kernels are registered.

Imported only when a run starts: jupyter_client is slow to import.
"""

import os
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager


def kernel_manager_class(workspace: Path) -> type[AsyncKernelManager]:
    """Make a kernel manager class that keeps all its traces inside `workspace`.

    A registered `python3` kernel may belong to another environment, or be missing; a user's
    own IPython start-up files would make a report depend on who runs it; and what a dying
    kernel prints must not land on the user's terminal.
    """

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def start_kernel(self, **kwargs: Any) -> Any:  # type: ignore[override]
            environment = dict(kwargs.pop("env", None) or os.environ)
            environment["IPYTHONDIR"] = str(workspace / "ipython")
            self.connection_file = str(workspace / f"kernel-{self.kernel_id}.json")
            with open(workspace / "kernel.log", "a", encoding="utf-8") as log:
                return await super().start_kernel(env=environment, stdout=log, stderr=log, **kwargs)

    return ThisInterpreter
