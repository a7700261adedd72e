"""What travels home: the events of a box, exactly once, and what the hub makes of them."""
