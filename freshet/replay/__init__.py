"""Input for the jobs: a year of real purchases, synthetic browsing over the same shop, and the producer that sends them."""
