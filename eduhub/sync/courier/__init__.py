"""A courier: a folder, on a USB stick say, that carries lessons out and what the children did home. See docs/formats/courier.md."""
