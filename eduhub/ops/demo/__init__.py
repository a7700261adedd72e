"""The demo: a region with two schools, their people, and lectures that are made and encoded here."""
