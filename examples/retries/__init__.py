"""A provider in trouble, and Temporal that retries."""
