"""Figures, from tidy tables only. Titles state what the table says, not what it holds."""

import lazy_loader

# A kernel loads the figures of its own page, and what those need, not all.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
