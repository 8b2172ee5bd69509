"""`make soak`: durable agents under seeded faults, compared with a plain agent on the same script."""
