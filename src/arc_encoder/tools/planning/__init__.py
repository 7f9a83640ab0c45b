"""What a training would need, before any weight is loaded: parameters, memory, work and speed."""
