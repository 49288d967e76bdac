"""Recipes as data: parse them, scale them, plan them, and write the shopping list."""
