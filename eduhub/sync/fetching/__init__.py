"""Node: what is wanted, and how its bytes come over a bad link. docs/decisions/0016 says why so."""
