"""Who stays, for how long, and what goes with it: curves, cohorts, Cox, inactivity, lifetime."""
