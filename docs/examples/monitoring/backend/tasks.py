"""The tasks of the monitoring example's worker."""
