"""The pages of a school's admin: classes, people, cards, the plan, history, the school's box."""
