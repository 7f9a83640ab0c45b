"""Language models by one word: fetched once, converted into ordinary folders, and found again."""
