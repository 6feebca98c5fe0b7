"""Input for the jobs: a year of real purchases, synthetic browsing in the same shop, and what sends them."""
