"""Credit: who gets how much of what happened, under each attribution model."""
