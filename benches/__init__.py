"""Measures of what Hermitcrab costs, each beside an anchor taken in the same run: `python -m benches`."""
