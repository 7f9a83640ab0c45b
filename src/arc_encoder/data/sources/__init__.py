"""Where documents and questions come from: files and data sets, one format a file."""
