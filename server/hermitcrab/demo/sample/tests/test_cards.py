import unittest

from larder.cards import card, framed, wrapped
from larder.recipes import parse_recipe

TEA = """
Mint tea
serves 2
- 1/2 l water
- 8 leaves mint, fresh
1. Pour boiling water over the leaves and let it stand for 5 min.
"""

EXPECTED = """\
+----------------------------+
|          MINT TEA          |
|        for 2, 5 min        |
|                            |
| • 1/2 l water              |
| • 8 leaves mint, fresh     |
| 1. Pour boiling water over |
|    the leaves and let it   |
|    stand for 5 min.        |
+----------------------------+"""


class Cards(unittest.TestCase):
    def test_a_whole_card(self):
        self.assertEqual(card(parse_recipe(TEA), 30), EXPECTED)

    def test_wrapping(self):
        self.assertEqual(wrapped("one two three", 9, "- "), ["- one two", "  three"])

    def test_a_frame(self):
        self.assertEqual(framed(["a"], 3), "+-----+\n| a   |\n+-----+")

    def test_too_narrow(self):
        with self.assertRaises(ValueError):
            card(parse_recipe(TEA), 20)
