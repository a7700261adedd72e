"""EduHub: lessons for schools that the network barely reaches."""

__version__ = "0.4.0"
