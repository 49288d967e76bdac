import unittest
from fractions import Fraction

from larder.ingredients import parse_ingredient


class Ingredients(unittest.TestCase):
    def test_amount_unit_name_and_remark(self):
        flour = parse_ingredient("1 1/2 cups flour, sifted")
        self.assertEqual((flour.name, flour.amount, flour.unit.name), ("flour", Fraction(3, 2), "cup"))
        self.assertEqual(flour.remark, "sifted")

    def test_things_are_counted(self):
        self.assertEqual(str(parse_ingredient("3 eggs")), "3 eggs")
        self.assertEqual(str(parse_ingredient("salt")), "1 salt")

    def test_scaling(self):
        self.assertEqual(str(parse_ingredient("200 g sugar").scaled(Fraction(3, 2))), "300 g sugar")

    def test_an_empty_line_is_no_ingredient(self):
        with self.assertRaises(ValueError):
            parse_ingredient("  ")
