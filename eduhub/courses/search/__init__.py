"""Finding lessons by words: in their titles, their texts and what is said in them.

`tokens` is the recipe by which a text becomes words, the same for what is kept and for what is asked. `tables` keeps them in
the database's own full-text index. `indexing` brings it up to date, `finding` asks it.

Nothing in here decides who may read a lesson: what is found is handed to somebody who knows. See docs/formats/search.md.
"""

from eduhub.courses.search.finding import Found, Hit, find, passages
from eduhub.courses.search.indexing import is_stale, rebuild, refresh
from eduhub.courses.search.tokens import Term, terms_of

__all__ = ["Found", "Hit", "Term", "find", "is_stale", "passages", "rebuild", "refresh", "terms_of"]
