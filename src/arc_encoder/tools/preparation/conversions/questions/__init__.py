"""Questions whose passages are retrieved, and records that are in our form."""
