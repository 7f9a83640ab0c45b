"""A trained compressor on disk: our folders, and the checkpoints that the method's authors released."""
