"""A support desk: small refunds are paid at once, larger ones wait for people who decide in an inbox."""
