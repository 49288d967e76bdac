import unittest
from fractions import Fraction

from larder.amounts import AmountError, format_amount, parse_amount


class Amounts(unittest.TestCase):
    def test_whole_numbers_decimals_and_fractions(self):
        self.assertEqual(parse_amount("2"), 2)
        self.assertEqual(parse_amount("0.25"), Fraction(1, 4))
        self.assertEqual(parse_amount("1 1/2"), Fraction(3, 2))

    def test_glyphs(self):
        self.assertEqual(parse_amount("2½"), Fraction(5, 2))

    def test_what_is_no_amount(self):
        for text in ("", "some", "1/0", "1 2"):
            with self.subTest(text), self.assertRaises(AmountError):
                parse_amount(text)

    def test_written_as_cooks_write(self):
        self.assertEqual(format_amount(Fraction(3, 2)), "1 1/2")
        self.assertEqual(format_amount(Fraction(2, 3)), "2/3")
        self.assertEqual(format_amount(Fraction(4)), "4")
