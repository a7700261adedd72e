"""What a box may carry and keep: the rules of its school, what they leave for now, and what each byte was for."""
