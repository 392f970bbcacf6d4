"""Reports: the notebooks run by papermill, their pages, and the index of all runs.

runner.py      a run from start to published folder; sweep.py: one over many segments
plan.py        the notebooks as a graph           keys.py     what they are made from
computing.py   copied, or computed in kernels     graph.py    several at a time, in order
execute.py     one notebook                       progress.py how it is going
kernel.py      this interpreter, forked from a loaded server: forking.py, forkserver.py
publish.py     all in one step, or nothing        lock.py     one run at a time
place.py       the data and its name              cut.py      a part of the data
notebooks.py   which notebooks                    parameters.py, assignments.py, ranges.py
pages.py       the files of a run                 export.py   a notebook as a page
index.py       the pages around them              record.py   run.json
cells.py, tables.py, sanitise.py, paths.py        what may be on a page
"""

import lazy_loader

# As in the package itself: names load on first use, the command answers in a tenth of a second.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
