"""The data that a workflow and its activities send each other. Histories of old releases still decode."""
