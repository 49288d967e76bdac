"""A simulated editor, sharing no code with the product."""
