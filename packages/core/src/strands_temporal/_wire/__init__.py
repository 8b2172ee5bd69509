"""What crosses between the workflow and its activities. Old histories decode with it."""
