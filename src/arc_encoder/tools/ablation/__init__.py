"""From an ablation's variants to the commands that answer it, run and resumed."""
