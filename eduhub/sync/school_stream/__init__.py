"""The school stream: what a school may see, as rows in the order they last moved, from the hub to its boxes."""
