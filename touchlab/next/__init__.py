"""What to do next: which touch for customers in which state, which arm for which segment."""
