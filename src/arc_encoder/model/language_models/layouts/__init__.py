"""Language models in Meta's, Mistral's and OLMo-1's own layouts."""
