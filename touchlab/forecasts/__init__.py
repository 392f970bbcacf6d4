"""What each run foretells for the weeks after its data, the ledger of it, and its grades."""
