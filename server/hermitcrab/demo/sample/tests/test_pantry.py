import unittest
from fractions import Fraction

from larder.ingredients import parse_ingredient
from larder.pantry import Pantry


class Stock(unittest.TestCase):
    def setUp(self):
        self.pantry = Pantry()
        self.pantry.put(parse_ingredient("1 kg flour"))
        self.pantry.put(parse_ingredient("250 g Flour"))
        self.pantry.put(parse_ingredient("6 eggs"))

    def test_what_is_missing(self):
        self.assertEqual(self.pantry.missing(parse_ingredient("1300 g flour")), 50)
        self.assertEqual(self.pantry.missing(parse_ingredient("4 eggs")), 0)
        self.assertEqual(self.pantry.missing(parse_ingredient("1 l milk")), 1)

    def test_grouped_by_unit(self):
        self.assertEqual(self.pantry.by_unit(), {"kg": ["flour"], "piece": ["eggs"]})

    def test_stored_and_read_again(self):
        again = Pantry.from_json(self.pantry.to_json())
        self.assertEqual(again.missing(parse_ingredient("2 kg flour")), Fraction(3, 4))
