"""What runs in activities and may do I/O."""
