"""What every command does around its work: errors in plain words, help, quiet libraries."""
