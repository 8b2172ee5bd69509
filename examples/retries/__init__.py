"""A provider that fails, and Temporal's retries."""
