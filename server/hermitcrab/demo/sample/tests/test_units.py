import unittest
from fractions import Fraction

from larder.units import UNITS, UnitError, convert, find_unit, handiest


class Units(unittest.TestCase):
    def test_words_for_units(self):
        self.assertEqual(find_unit("Cups"), UNITS["cup"])
        self.assertEqual(find_unit("tbsp."), UNITS["tbsp"])
        self.assertIsNone(find_unit("eggs"))

    def test_converting(self):
        self.assertEqual(convert(Fraction(2), UNITS["tbsp"], UNITS["tsp"]), 6)

    def test_mass_is_not_volume(self):
        with self.assertRaises(UnitError):
            convert(Fraction(1), UNITS["g"], UNITS["ml"])

    def test_the_handiest_unit(self):
        self.assertEqual(handiest(Fraction(1500), UNITS["g"]), (Fraction(3, 2), UNITS["kg"]))
        self.assertEqual(handiest(Fraction(2), UNITS["tsp"]), (Fraction(10), UNITS["ml"]))
        self.assertEqual(handiest(Fraction(3), UNITS["piece"]), (Fraction(3), UNITS["piece"]))
