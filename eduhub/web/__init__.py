"""Pages: server-rendered HTML that works without JavaScript.

A view parses, calls the domain and answers; the rule itself is in the domain. One room a kind of reader:
`accounts` (signing in), `learning` (children and guests), `teaching` (teachers and reviewers), `school` (its
admin), `operator`; `box.py` is what a school's box shows of itself. What all rooms share lies beside them:
`edge.py` (transactions, pages of a list), `rights.py` (who may), `forms.py`, `kept.py` (caching), `shown.py` (how values look).
"""
