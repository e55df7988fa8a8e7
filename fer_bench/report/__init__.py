"""From boards and records to README.md, index.html, published.md, leaderboard.csv and pictures."""
