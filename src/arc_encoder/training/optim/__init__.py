"""What is trained, and how: parts, optimizer, schedule."""
