"""Experiments to come and running; what finished ones found is read in `drivers`."""
