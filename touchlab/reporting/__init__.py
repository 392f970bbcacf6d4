"""Reports: the notebooks run by papermill, their pages, and the index of all runs.

run.py         a run from start to published folder; sweep.py: one over many segments
source.py      the data: name, key, a part of it    notebooks.py, parameters.py  what is run
execute.py     one notebook                         kernel.py  its process, and the end of it
publish.py     one run at a time; all of it put in its place, or nothing
record.py      run.json                             index.py   the pages around the notebooks
schedule.py    cron                                 share.py   a run to send; leaks.py
page.py        a notebook as a page                 clean.py   what may be on it
files.py       tables as CSV and Parquet, pages as PDF
"""

import lazy_loader

# As in the package itself: names load on first use, the command answers in a tenth of a second.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
