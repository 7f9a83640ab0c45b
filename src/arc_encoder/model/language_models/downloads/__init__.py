"""Language models by name, fetched once into a folder of this machine."""
