import unittest

from larder.ingredients import parse_ingredient
from larder.pantry import Pantry
from larder.recipes import Recipe
from larder.shopping import combined, most_needed, shopping_list


def recipe(title, *lines):
    return Recipe(title, 2, tuple(parse_ingredient(line) for line in lines))


CAKE = recipe("Cake", "500 g flour", "3 eggs", "250 g sugar")
OMELETTE = recipe("Omelette", "4 eggs, beaten", "2 tbsp milk")
BREAD = recipe("Bread", "1 kg Flour", "10 g salt")


class Shopping(unittest.TestCase):
    def test_the_same_thing_once(self):
        together = combined([*CAKE.ingredients, *BREAD.ingredients])
        self.assertEqual([str(entry) for entry in together], ["3 eggs", "1500 g flour", "10 g salt", "250 g sugar"])

    def test_without_what_is_there(self):
        pantry = Pantry()
        pantry.put(parse_ingredient("5 eggs"))
        pantry.put(parse_ingredient("1 kg sugar"))
        bought = shopping_list([CAKE, OMELETTE, BREAD], pantry)
        self.assertEqual(bought, ["2 eggs", "1 1/2 kg flour", "30 ml milk", "10 g salt"])

    def test_what_most_recipes_need(self):
        self.assertEqual(most_needed([CAKE, OMELETTE, BREAD], 2), ["eggs", "flour"])
