"""Files of documents → a store."""
