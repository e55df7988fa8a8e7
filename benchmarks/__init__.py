"""Speed, measured beside the notebooks' own way in the same run; ``tox -e bench`` writes README.md from it."""
