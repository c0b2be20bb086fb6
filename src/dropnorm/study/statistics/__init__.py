"""From finished nets to intervals, tests and comparisons. Nothing here imports torch."""
