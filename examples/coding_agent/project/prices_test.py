"""The prices are right."""

import unittest

from prices import total


class PricesTest(unittest.TestCase):
    def test_a_sum(self) -> None:
        self.assertEqual(total([100, 250]), 350)

    def test_a_discount(self) -> None:
        self.assertEqual(total([100, 300], discount=25), 300)
