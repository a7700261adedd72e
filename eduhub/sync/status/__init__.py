"""How a box is: what it measures of itself, what it tells the hub, and what both say of it to people."""
