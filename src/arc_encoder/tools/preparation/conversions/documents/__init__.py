"""Questions about long documents, and summaries of them."""
