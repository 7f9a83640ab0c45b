"""Documents → vectors, and what is known of them."""
