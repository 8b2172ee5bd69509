"""The data that crosses between the workflow and its activities. Histories of old releases decode with it."""
