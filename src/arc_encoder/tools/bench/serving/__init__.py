"""How fast a gateway answers."""
