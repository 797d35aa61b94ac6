"""Documents: read from MongoDB, embedded in batches, kept in the feature store."""
