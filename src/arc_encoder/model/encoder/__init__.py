"""Context → vectors: the backbone, its pooled blocks, and chunks of long contexts."""
