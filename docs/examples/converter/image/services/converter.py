"""One of the two services of the converter example."""
