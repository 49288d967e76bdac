import unittest

from larder.timing import format_duration, parse_duration, start_time


class Timing(unittest.TestCase):
    def test_reading(self):
        self.assertEqual(parse_duration("Bake for 1 h 20 min, rest 10 minutes."), 90)
        self.assertEqual(parse_duration("Stir."), 0)

    def test_writing(self):
        written = [format_duration(minutes) for minutes in (0, 45, 60, 95)]
        self.assertEqual(written, ["0 min", "45 min", "1 h", "1 h 35 min"])

    def test_when_to_begin(self):
        self.assertEqual(start_time("19:30", 95), "17:55")
