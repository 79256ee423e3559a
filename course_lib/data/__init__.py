"""Data sets, image sets in memory, and batches of them."""
