import unittest

from larder.recipes import parse_recipe

PANCAKES = """
Pancakes
serves 4

- 250 g flour
- 1/2 l milk
- 3 eggs
1. Stir, then rest for 30 min.
2. Fry for 2 minutes on each side.
"""


class Recipes(unittest.TestCase):
    def test_reading(self):
        recipe = parse_recipe(PANCAKES)
        self.assertEqual((recipe.title, recipe.servings, recipe.minutes), ("Pancakes", 4, 32))
        self.assertEqual([ingredient.name for ingredient in recipe.ingredients], ["flour", "milk", "eggs"])
        self.assertEqual(recipe.steps[1], "Fry for 2 minutes on each side.")

    def test_scaling(self):
        scaled = parse_recipe(PANCAKES).scaled_to(6)
        written = [str(ingredient) for ingredient in scaled.ingredients]
        self.assertEqual(written, ["375 g flour", "3/4 l milk", "4 1/2 eggs"])

    def test_nobody_is_no_number_of_servings(self):
        with self.assertRaises(ValueError):
            parse_recipe(PANCAKES).scaled_to(0)

    def test_looking_for_an_ingredient(self):
        recipe = parse_recipe(PANCAKES)
        self.assertTrue(recipe.uses("Milk"))
        self.assertFalse(recipe.uses("butter"))
