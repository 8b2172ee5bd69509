"""Prices in cents."""


def total(prices: list[int], discount: int = 0) -> int:
    """Return the sum of some prices, less a discount in percent."""
    return sum(prices) * (100 + discount) // 100
