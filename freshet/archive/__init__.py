"""The archive of `interactions.clean`: Parquet files by day, each event once."""
