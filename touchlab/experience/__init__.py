"""Experience: the map of touchpoints, what customers say of them, and whether it matters."""
