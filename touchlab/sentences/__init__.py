"""Sentences computed from tables, so that no number is ever typed into prose."""

import lazy_loader

# A kernel loads the sentences of its own page, and what those need, not all.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
