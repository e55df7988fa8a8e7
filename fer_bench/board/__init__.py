"""Records to leaderboards: rows, ranks, columns, comparison, naming a system."""
