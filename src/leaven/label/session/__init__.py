"""Who is asked what, what stands answered, and what the model says of it."""
